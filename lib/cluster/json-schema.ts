// The JSON schema of a study file (dist/study.schema.json).
import { jsonSchemaOf, type JsonSchema } from '../check/json-schema';
import { configJsonSchema, schemaKey } from '../train/config/json-schema';
import { range as rangeSchema, schema } from './study';

/** The keys of a configuration that hold no keys themselves, by `path.to.key`: what lies in the schema of `config`. */
function leaves(
  { properties }: JsonSchema,
  path: readonly string[] = [],
): [path: readonly string[], leaf: JsonSchema][] {
  return Object.entries(properties ?? {}).flatMap(([key, value]) =>
    value.properties === undefined ? [[[...path, key], value]] : leaves(value, [...path, key]),
  );
}

const range = { $ref: '#/definitions/range' };
/** The values of a key: a list of what `items` says, or, of numbers, a range that they are drawn from. */
const valuesOf = (items: JsonSchema, numbers: boolean): JsonSchema => {
  const list = { type: 'array', minItems: 1, items };
  return numbers ? { anyOf: [list, range] } : list;
};

/** The JSON schema of a study file. */
export function studyJsonSchema(): JsonSchema {
  const { $schema, properties, ...study } = jsonSchemaOf(schema);
  const { $schema: _, title: _title, ...config } = configJsonSchema();
  const { $schema: _key, ...keys } = config.properties!;
  const { $schema: _draft, ...drawn } = jsonSchemaOf(rangeSchema);
  const parameters = leaves({ properties: keys }).map(([path, { type }]) => [
    path.join('.'),
    valuesOf(
      { $ref: `#/properties/config/properties/${path.join('/properties/')}` },
      type === 'number' || type === 'integer',
    ),
  ]);
  return {
    $schema,
    title: 'Study of onespike: trials of many configurations',
    ...study,
    properties: {
      ...properties,
      $schema: schemaKey,
      config: { ...config, properties: keys, description: 'What all trials have in common.' },
      parameters: {
        type: 'object',
        description: 'Keys of the configuration, and the values that each takes.',
        properties: Object.fromEntries(parameters),
        // Groups of keys, and entries of lists: model.layers.0.out.
        additionalProperties: valuesOf({}, true),
      },
    },
    definitions: { range: drawn },
  };
}
