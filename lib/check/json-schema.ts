// JSON schemas of what our schemas check, for editors: they complete keys and underline faults while one types.
import { z } from 'zod';
import { built } from './schema';

/** A part of a JSON schema. */
export interface JsonSchema {
  type?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: unknown;
  [keyword: string]: unknown;
}

/** The JSON schema, in draft 7, which editors know, of the values that a schema accepts. Refinements are left out. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(built(schema), { io: 'input', target: 'draft-7', unrepresentable: 'any' }) as JsonSchema;
}

/** The same of any part of an object, at every depth; what lists hold stays whole. */
export function partial({ required: _, ...schema }: JsonSchema): JsonSchema {
  if (schema.properties === undefined) return schema;
  const entries = Object.entries(schema.properties).map(([key, value]) => [key, partial(value)]);
  return { ...schema, properties: Object.fromEntries(entries) };
}
