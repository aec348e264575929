// The networks that are compared: their descriptions, and their dense ANNs as ONNX files with the weights that onespike
// times.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportOnnx, Network, resolveNetwork, vgg } from '../../dist/index.mjs';

/**
 * The description of a VGG network on 3x32x32 images with every default filled in.
 *
 * @param {string} name
 */
export const resolvedVgg = (name) =>
  resolveNetwork(vgg(/** @type {import('../../dist/index.mjs').VggName} */ (name), { leak: 0.9 }));

/**
 * The resolved network of a run.
 *
 * @param {string} run
 * @returns {import('../../dist/index.mjs').ResolvedNetwork}
 */
export const networkOfRun = (run) => JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')).network;

/** ONNX files in a temporary folder, one per network. `remove` ends them. */
export class OnnxModels {
  #folder = mkdtempSync(join(tmpdir(), 'onespike-onnx-'));

  /** @param {string} model */
  path(model) {
    return join(this.#folder, `${model}.onnx`);
  }

  /**
   * Writes the files that the timings of onnxruntime need.
   *
   * @param {readonly import('./cases.mjs').Timing[]} timings
   */
  async write(timings) {
    const wanted = timings.filter(({ program }) => program === 'onnxruntime');
    for (const model of new Set(wanted.map((timing) => timing.model))) {
      const network = await Network.create(resolvedVgg(model), { backend: 'cpu', seed: 0 });
      await exportOnnx(network, this.path(model), { mode: 'ann' });
      await network.dispose();
    }
  }

  remove() {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
