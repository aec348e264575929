// Exported models in Python: onnx's checker accepts them, and onnxruntime gives the predictions of onespike on 1,000
// images. ONESPIKE_PYTHON names an interpreter that has onnx, onnxruntime and NumPy; python3 otherwise.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadDataset } from '../../lib/data';
import { exportOnnx } from '../../lib/exchange';
import { Network } from '../../lib/model/network';
import { vgg } from '../../lib/model/vgg';
import { temporaryFolder } from '../helpers/command-line';

const folder = temporaryFolder();
const python = process.env.ONESPIKE_PYTHON ?? 'python3';
const images = 1000;

function installed(): boolean {
  try {
    execFileSync(python, ['-c', 'import numpy, onnx, onnxruntime'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
const present = installed();
if (!present)
  console.warn(`skipped: ${python} has no onnx, onnxruntime and numpy, so no other program checks the models`);

/** The largest logit of an image, and by how much it leads. */
function leader(logits: Float32Array, n: number): { label: number; lead: number } {
  const own = [...logits.subarray(10 * n, 10 * n + 10)];
  const [first, second] = [...own].sort((a, b) => b - a);
  return { label: own.indexOf(first!), lead: first! - second! };
}

(present ? test : test.skip)('1,000 images have the same predictions', async () => {
  const { test: set } = await loadDataset('shapes', { trainCount: 10, testCount: images });
  const pixels = join(folder, 'pixels');
  writeFileSync(pixels, set.pixels);
  const network = await Network.create(vgg('vgg6', { width: 0.25, hidden: [64], timesteps: 5, beta: 0 }), {
    backend: 'cpu',
    seed: 9,
  });
  try {
    await network.calibrate({ pixels: set.pixels.slice(0, 100 * 3072) }, { scale: 0.5 });
    const modes = ['ann', 'snn'] as const;
    const paths = modes.map((mode) => [join(folder, `${mode}.onnx`), join(folder, `${mode}.logits`)] as const);
    for (const [i, mode] of modes.entries()) await exportOnnx(network, paths[i]![0], { mode });
    execFileSync(python, [join(__dirname, 'check-onnx.py'), pixels, ...paths.flat()]);
    for (const [i, mode] of modes.entries()) {
      const { logits } = await network.forward(set.pixels, { mode });
      const read = new Float32Array(Uint8Array.from(readFileSync(paths[i]![1])).buffer);
      const theirs = read.subarray(0, 10 * images);
      const margins = read.subarray(10 * images);
      expect(margins).toHaveLength(images);
      let same = 0;
      let decided = 0;
      for (let n = 0; n < images; n++) {
        const [ours, others] = [leader(logits, n), leader(theirs, n)];
        if (ours.label === others.label) same++;
        // Where a neuron comes within rounding of its threshold, either answer is right.
        if (margins[n]! < 1e-5) continue;
        decided++;
        for (let k = 10 * n; k < 10 * n + 10; k++) expect(Math.abs(logits[k]! - theirs[k]!)).toBeLessThan(1e-4);
        // Two logits within rounding of each other have no order.
        if (ours.lead > 1e-4) expect(others.label).toBe(ours.label);
      }
      expect(same).toBeGreaterThanOrEqual(0.995 * images);
      expect(decided).toBeGreaterThan(mode === 'ann' ? images - 1 : images / 10);
    }
  } finally {
    await network.dispose();
  }
});
