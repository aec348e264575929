// The JSON schemas that editors check configurations and studies by, with a validator that shares no code with them:
// the Python package jsonschema.
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { jsonSchemaOf, type JsonSchema } from '../../lib/check/json-schema';
import { studyJsonSchema } from '../../lib/cluster/json-schema';
import { datasetNames } from '../../lib/data';
import { configJsonSchema } from '../../lib/train/config/json-schema';
import { keyTexts } from '../../lib/train/config/key-texts';
import { presetConfig, presetNames } from '../../lib/train/config/presets';
import { BUDGETS, hasBudgets } from '../../lib/train/config/recipes';
import { schema } from '../../lib/train/config/config';
import { tinyConfig } from '../helpers/command-line';

const config = configJsonSchema();
const study = studyJsonSchema();

test.each([
  ['config', config],
  ['study', study],
])('the package brings the schema of a %s', (name, expected) => {
  expect(require(join(__dirname, '../../dist', `${name}.schema.json`))).toEqual(expected);
});

test('keys mean something, and texts belong to keys', () => {
  const paths = (part: JsonSchema, path: string[] = []): string[] =>
    Object.entries(part.properties ?? {}).flatMap(([key, value]) => [
      [...path, key].join('.'),
      ...paths(value, [...path, key]),
    ]);
  const all = paths(jsonSchemaOf(schema));
  const stages = all.map((path) => path.replace(/^(ann|binary|snn)\./, '*.'));
  expect(Object.keys(keyTexts).filter((key) => !all.includes(key) && !stages.includes(key))).toEqual([]);
  expect(config.properties!.snn!.properties!.epochs!.description).toBe(
    'The number of epochs; 0 leaves the stage out. An integer of at least 0.',
  );
});

const validator = `
import json, sys, jsonschema
schema, values = json.load(sys.stdin)
jsonschema.Draft7Validator.check_schema(schema)
check = jsonschema.Draft7Validator(schema)
print(json.dumps([[list(error.absolute_path) for error in check.iter_errors(value)] for value in values]))`;
const absent = spawnSync('python3', ['-c', 'import jsonschema']).status !== 0;
if (absent) console.warn('skipped: the Python package jsonschema is not here (pip install jsonschema)');

/** Of each value, the places where it does not fit the schema. */
function faults(schemaText: JsonSchema, values: readonly unknown[]): (string | number)[][][] {
  const input = JSON.stringify([schemaText, values]);
  return JSON.parse(execFileSync('python3', ['-c', validator], { input, encoding: 'utf8', maxBuffer: 1 << 26 }));
}

(absent ? describe.skip : describe)('an independent validator', () => {
  test('accepts every preset as `presets` prints it, and parts of configurations', () => {
    const presets = presetNames.flatMap((preset) =>
      datasetNames.flatMap((dataset) =>
        [undefined, ...(hasBudgets(preset, dataset) ? BUDGETS : [])].map((budget) =>
          presetConfig(preset, dataset, budget),
        ),
      ),
    );
    const parts = [
      {},
      { $schema: 'node_modules/onespike/dist/config.schema.json', preset: 'vgg9', snn: { epochs: 3 } },
      tinyConfig,
    ];
    expect(presets.length).toBeGreaterThan(presetNames.length * datasetNames.length - 1);
    expect(faults(config, [...presets, ...parts]).flat()).toEqual([]);
  });

  test('finds what a configuration refuses', () => {
    const wrong: [unknown, (string | number)[]][] = [
      [{ snn: { epoch: 3 } }, ['snn']],
      [{ snn: { epochs: -1 } }, ['snn', 'epochs']],
      [{ ann: { batch: 2.5 } }, ['ann', 'batch']],
      [{ preset: 'vgg8' }, ['preset']],
      [{ model: { timesteps: 255 } }, ['model', 'timesteps']],
      [{ dataset: { validation: 1 } }, ['dataset', 'validation']],
      [{ model: { layers: [{ out: 3 }] } }, ['model', 'layers', 0]],
      [{ $schema: 1 }, ['$schema']],
      [[], []],
    ];
    const found = faults(
      config,
      wrong.map(([value]) => value),
    );
    expect(found).toEqual(wrong.map(([, place]) => [place]));
  });

  test('accepts studies and finds what they refuse', () => {
    const parameters = { 'ann.epochs': [1, 2], 'snn.optimizer.learningRate': { min: 1e-4, max: 1e-2, scale: 'log' } };
    const good = { $schema: 'x', config: { preset: 'vgg6' }, method: 'random', trials: 5, parameters };
    const wrong = [
      { ...good, trials: 0 },
      { ...good, parameters: { 'ann.epochs': ['many'] } },
      { ...good, parameters: { 'ann.epochs': { min: 1 } } },
      { ...good, config: { presets: 'vgg6' } },
      { method: 'grid' },
    ];
    const list = { parameters: { 'model.layers.0.out': [8, 16], 'model.encoder': ['direct'] } };
    const [first, second, ...others] = faults(study, [good, list, ...wrong]);
    expect([first, second]).toEqual([[], []]);
    expect(others.map((places) => places.length > 0)).toEqual(wrong.map(() => true));
  });
});
