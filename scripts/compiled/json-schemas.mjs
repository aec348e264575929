// Writes the JSON schemas of configurations and studies into the compiled package, for editors.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

/** @param {string} dist compiled already */
export function writeJsonSchemas(dist) {
  const load = createRequire(path.join(dist, 'lib', 'index.js'));
  const schemas = {
    config: load('./train/config/json-schema.js').configJsonSchema(),
    study: load('./cluster/json-schema.js').studyJsonSchema(),
  };
  for (const [name, schema] of Object.entries(schemas))
    fs.writeFileSync(path.join(dist, `${name}.schema.json`), `${JSON.stringify(schema, null, 2)}\n`);
}
