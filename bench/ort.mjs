// Times an ONNX model in onnxruntime-node on the CPU. One JSON object on stdout, fields as of `onespike bench`.
//
//   node bench/ort.mjs MODEL.onnx [--batch 1] [--threads 2] [--warmup 1] [--iterations 5]
//
// The model is one of `onespike export`: it takes random bytes, and normalises them as the other programs do in every
// step.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const { InferenceSession, Tensor } = createRequire(import.meta.url)('onnxruntime-node');
const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json');
/** @param {string} value */
const text = (value) => /** @type {const} */ ({ type: 'string', default: value });
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { batch: text('1'), threads: text('2'), warmup: text('1'), iterations: text('5') },
});

const session = await InferenceSession.create(positionals[0], {
  executionProviders: ['cpu'],
  intraOpNumThreads: Number(values.threads),
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
});
const [{ name, shape: metadata }] = session.inputMetadata;
const batch = Number(values.batch);
// The number of images is free in the model.
const shape = [batch, ...metadata.slice(1)];
const count = shape.reduce((/** @type {number} */ product, /** @type {number} */ side) => product * side, 1);
const input = new Tensor(
  'uint8',
  Uint8Array.from({ length: count }, () => 256 * Math.random()),
  shape,
);
/** @type {number[]} */
const milliseconds = [];
for (let step = -Number(values.warmup); step < Number(values.iterations); step++) {
  const started = performance.now();
  await session.run({ [name]: input });
  if (step >= 0) milliseconds.push(performance.now() - started);
}
milliseconds.sort((a, b) => a - b);
/** @param {number} index */
const at = (index) => milliseconds[index] ?? Number.NaN;
const middle = (at((milliseconds.length - 1) >> 1) + at(milliseconds.length >> 1)) / 2;
const peakRss = 1024 * Number(/^VmHWM:\s*(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
console.log(
  JSON.stringify({
    batch,
    threads: Number(values.threads),
    onnxruntime: version,
    imagesPerSecond: (1000 * batch) / middle,
    best: (1000 * batch) / at(0),
    milliseconds: middle,
    peakRss,
  }),
);
