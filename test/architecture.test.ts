import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { violations } from './helpers/architecture';

const root = join(__dirname, '..');

function sources(): Map<string, string> {
  const files = new Map<string, string>();
  for (const start of ['binding.ts', 'binding-types.ts', 'lib', 'native', 'scripts', 'test', 'bench', 'examples']) {
    const paths = statSync(join(root, start)).isDirectory()
      ? readdirSync(join(root, start), { recursive: true }).map((name) => `${start}/${String(name)}`)
      : [start];
    for (const path of paths.filter((name) => /\.(ts|mjs|js|sh|py|c|cc|h|cu|cuh)$/.test(name))) {
      files.set(path, readFileSync(join(root, path), 'utf8'));
    }
  }
  return files;
}

test('the arrows between the modules point one way, every file is short and no folder is full', () => {
  const files = sources();
  expect(files.has('binding.ts') && files.has('lib/native/addon.ts') && files.has('native/core/network.h')).toBe(true);
  expect(violations(files)).toEqual([]);
});

describe('the check itself', () => {
  const one = (file: string, text: string): string[] => violations(new Map([[file, text]]));

  test.each([
    ['lib/model/network.ts', "import { x } from '../../binding';", 'model may not use binding'],
    ['lib/model/network.ts', "import { x } from '../train/train';", 'model may not use train'],
    ['lib/io/safetensors.ts', "import type { x } from '../model';", 'io may not use model'],
    ['lib/data/index.ts', "const x = await import('../native/addon');", 'data may not use native'],
    ['lib/data/index.ts', "const x = require('../native/addon');", 'data may not use native'],
    ['lib/train/train.ts', "export * from '../cli/main';", 'train may not use cli'],
    ['lib/exchange/import.ts', "import { x } from '../train/run/load-run';", 'exchange may not use train'],
    ['lib/train/train.ts', "import { x } from '../exchange';", 'train may not use exchange'],
    ['lib/train/train.ts', "export * from '..';", 'train may not use index'],
    ['lib/train/train.ts', "import { x } from '../pictures/report';", 'train may not use pictures'],
    ['lib/pictures/report.ts', "import { x } from '../train/loop/train';", 'pictures may not use train'],
    ['lib/pictures/report.ts', "import { x } from '../cli/style';", 'pictures may not use cli'],
    ['lib/native/addon.ts', "import {\n  a,\n} from '../model/description';", 'native may not use model'],
    ['lib/errors.ts', "import './check';", 'errors may not use check'],
    ['binding.ts', "import { x } from './lib/errors';", 'binding may not use errors'],
    [
      'lib/train/run/lock.ts',
      "import {\n  readFile,\n  rename,\n} from 'node:fs/promises';",
      'imports rename of node:fs',
    ],
    ['lib/data/files.ts', "import * as fs from 'fs';", 'only lib/io/ writes files'],
    [
      'lib/data/files.ts',
      "import { open } from 'node:fs/promises';\nopen(path, 'r'); open(path, 'w');",
      'imports open of',
    ],
    ['lib/extra/thing.ts', '', 'in no known module'],
    ['lib/io/log.ts', 'export const mostBytes = 2 ** 24;', 'use capitals'],
    ['lib/io/log.ts', "/** The log of a run. */\nimport { x } from './write';", 'begins with a block comment'],
    ['native/ops/lif.h', '#include "core/status.h"', 'ops may not'],
    ['native/core/network.cc', '#include "cpu/update.h"', 'core may not'],
    ['native/core/network.cc', '#include "backend.h"', 'core may not'],
    ['native/cpu/events.cc', '#include "addon/support/job.h"', 'cpu may not'],
    ['native/addon/module.cc', '#include "cpu/update.h"', 'addon may not'],
    ['native/core/network.cc', '#include <hwy/highway.h>', 'only native/cpu/ may'],
    ['native/core/network.cc', '  #include <napi.h>', 'only native/addon/support/napi_setup.h may'],
    ['native/addon/module.cc', '#include <napi.h>', 'only native/addon/support/napi_setup.h may'],
    ['native/cpu/events.cc', '#include <cuda_runtime.h>', 'only native/cuda/ may'],
    ['native/extra/thing.cc', '', 'in no known module'],
    ['native/core/network.cc', 'if (bad) std::abort();', 'never ends the process'],
    [
      'native/cpu/forward/lif-inl.h',
      'const auto fires = hn::Gt(sum.at[v], threshold_);',
      'only native/ops decides a spike',
    ],
    [
      'native/cpu/forward/lif-inl.h',
      'auto f = Ge(Load(d, u), Set(d, task.threshold));',
      'only native/ops decides a spike',
    ],
    ['native/cpu/forward/lif-inl.h', 'auto f = A::greater(\n    u, p.threshold);', 'only native/ops decides a spike'],
    ['native/cuda/neuron.cuh', 'const bool fires = potential > threshold;', 'only native/ops decides a spike'],
    ['native/cuda/neuron.cuh', 'if (u[i] >= task.neuron.threshold()) return t;', 'only native/ops decides a spike'],
    ['native/cuda/step.cu', 'fired = neuron->threshold < u ? t : fired;', 'only native/ops decides a spike'],
    ['native/core/passes/snn.cc', 'return potential <= p.threshold;', 'only native/ops decides a spike'],
    ['native/core/network.cc', 'if (bad) exit(1);', 'never ends the process'],
  ])('%s with %j is a violation', (file, text, reason) => {
    expect(one(file, text)).toEqual([expect.stringContaining(reason)]);
  });

  test.each([
    ['lib/native/addon.ts', "import { loadNative } from '../../binding';\nimport { x } from '../errors';"],
    [
      'lib/model/network.ts',
      "import { x } from '../native/addon';\nimport y from './shapes';\nimport { z } from '../io/safetensors';",
    ],
    ['lib/model/network.ts', "// import { x } from '../train/train';\n/** import { x } from '../cli'; */"],
    ['lib/index.ts', "export { train } from './train/train';"],
    ['lib/pictures/report.ts', "import type { x } from '../train/run/events';"],
    ['lib/io/write.ts', "import { rename } from 'node:fs/promises';"],
    ['lib/io/log.ts', 'const MOST_BYTES = 2 ** 24;\nexport const size = (side: number): number => 2 * side;'],
    ['lib/io/markup.ts', '/** Escapes a text. */\nexport function escaped(): void {}'],
    ['lib/data/files.ts', "import { open } from 'node:fs/promises';\nawait open(path, 'r');"],
    ['lib/data/files.ts', "import { stat, readFile, type FileHandle } from 'node:fs/promises';"],
    ['lib/cli/main.ts', "import { readFileSync } from 'node:fs';\nimport { train } from '../train/train';"],
    [
      'native/cpu/events.cc',
      '#include "cpu/events.h"\n#include "core/backend/backend.h"\n#include "ops/rng.h"\n#include <hwy/highway.h>',
    ],
    ['native/addon/support/napi_setup.h', '#include <napi.h>'],
    ['native/addon/network.cc', '#include "backends.h"'],
    ['native/backends.cc', '#include "cpu/backend/create.h"\n#include "cuda/device/create.h"'],
    ['native/ops/lif-inl.h', 'return A::greater(potential, threshold);'],
    ['native/test/support/oracle.cc', 'if (u > p.threshold) fired = t;'],
    ['native/core/plan.cc', 'if (!(layer.threshold > 0)) return wrong; // u > threshold'],
    ['native/cuda/step.cu', 'std::vector<float> threshold; sums->threshold += x; d.threshold = a >> b;'],
    ['native/addon/inputs.cc', 'spec.threshold = layer.real("threshold", limits::kThreshold);'],
    ['native/bench/layers.cu', '#include "cuda/device/launch.h"'],
    ['native/addon/support/job.cc', 'job->abort(); on_exit(x); // never std::abort()'],
  ])('%s with %j is none', (file, text) => {
    expect(one(file, text)).toEqual([]);
  });

  test('a file may have 330 lines, not 331', () => {
    expect(one('lib/model/long.ts', 'x\n'.repeat(330))).toEqual([]);
    expect(one('lib/model/long.ts', 'x\n'.repeat(331))).toEqual(['lib/model/long.ts has 331 lines, more than 330']);
  });

  test('a folder may have 15 files of code, not 16, those of its sub-folders not counted', () => {
    const folder = (count: number): Map<string, string> =>
      new Map(Array.from({ length: count }, (_, i) => [`lib/model/part${i}.ts`, '']));
    expect(violations(folder(15).set('lib/model/deep/one.ts', ''))).toEqual([]);
    expect(violations(folder(16))).toEqual(['lib/model holds 16 files, more than 15']);
  });
});
