// The JSON schema of a configuration file (dist/config.schema.json).
import { jsonSchemaOf, partial, type JsonSchema } from '../../check/json-schema';
import { schema } from './config';
import { keyTexts } from './key-texts';

/** What editors say of `$schema`, in configurations and studies. */
export const schemaKey: JsonSchema = { type: 'string', description: 'The JSON schema of this file, for editors.' };

/** The text of a key: that of its whole path, or with `*` in place of its first part, which is a stage. */
function textOf(path: readonly string[]): string | undefined {
  return keyTexts[path.join('.')] ?? keyTexts[['*', ...path.slice(1)].join('.')];
}

/** The schema with what each key means before what it may hold. */
function described(schema: JsonSchema, path: readonly string[] = []): JsonSchema {
  const text = textOf(path);
  const held = schema.properties === undefined ? schema.description : undefined;
  const description = [text, held && `${held[0]!.toUpperCase()}${held.slice(1)}`].filter(Boolean).join('. ');
  const properties =
    schema.properties &&
    Object.fromEntries(
      Object.entries(schema.properties).map(([key, value]) => [key, described(value, [...path, key])]),
    );
  return {
    ...schema,
    ...(description === '' ? {} : { description: `${description}.` }),
    ...(properties === undefined ? {} : { properties }),
  };
}

/** The JSON schema of a configuration file: any part of a configuration, which its preset completes. */
export function configJsonSchema(): JsonSchema {
  const { $schema, ...whole } = described(partial(jsonSchemaOf(schema)));
  return {
    $schema,
    title: 'Configuration of a training run of onespike',
    ...whole,
    properties: { $schema: schemaKey, ...whole.properties },
  };
}
