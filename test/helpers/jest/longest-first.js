// The order of the test files: those that take longest begin, so that no worker is left alone with one at the end. Jest
// orders by the times of earlier runs, of which a fresh clone has none, and then by the size of the files.
const path = require('node:path');
const Sequencer = require('@jest/test-sequencer').default;

/** Below test/, longest first: the files that take 10 s of processor time or more. */
const longest = [
  'package/bundlers',
  'train/scaled/minutes',
  'faults/faults',
  'types/versions',
  'cli/bench',
  'cluster/killed',
  'faults/signals',
  'package/managers',
  'package/runtimes',
  'package/ecosystem',
  'cli/continue',
  'cli/resume',
  'train/scratch',
  'bench/compare',
  'examples/commands',
  'train/data-changes',
  'faults/full-disk',
  'package/package',
  'package/load-failure',
  'codes/convergence',
  'cli/train',
  'lifecycle/event-loop',
  'exchange/onnx-export',
  'train/recipe',
  'examples/programs',
  'examples/recipes',
];
const root = path.join(__dirname, '../..');
const places = new Map(longest.map((name, place) => [path.join(root, `${name}.test.ts`), place]));
const placeOf = (test) => places.get(test.path) ?? longest.length;

module.exports = class extends Sequencer {
  sort(tests) {
    return [...super.sort(tests)].sort((a, b) => placeOf(a) - placeOf(b));
  }
};
