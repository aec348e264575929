// What the bench takes from the compiled package: the library for MPI, and the sizes of networks.
import { createRequire } from 'node:module';
import { Failure } from '../../scripts/lib.mjs';

const require = createRequire(import.meta.url);
const lib = new URL('../../dist/lib/', import.meta.url).pathname;

/**
 * The latest library of `onespike mpi build`, and sizes of networks. Errors: Failure where there is none, or no mpirun.
 */
export async function readBuild() {
  const { libraryFor } = require(`${lib}cluster/ranks/library.js`);
  const { resolveNetwork } = require(`${lib}model/description.js`);
  const { layerShapes, parameterCount } = require(`${lib}model/shapes.js`);
  const { vgg } = require(`${lib}model/vgg.js`);
  /** @type {{ implementation: string, library: string, mpirun: string | null }} */
  const { implementation, library, mpirun } = await libraryFor('any').catch((/** @type {Error} */ error) => {
    throw new Failure(error.message);
  });
  if (mpirun === null) throw new Failure('Expected mpirun beside the mpicc of the library but received none');
  /**
   * @param {string} model
   * @param {object} options
   */
  const networkOf = (model, options) => resolveNetwork(vgg(model, { leak: 0.9, ...options }));
  /** 138 million parameters: vgg16 on images of 224 x 224, with the fifth pool that small images do without. */
  const imageNetSize = () => {
    const network = vgg('vgg16', { leak: 0.9, input: [3, 224, 224], classes: 1000 });
    const first = network.layers.findIndex((/** @type {{ type: string }} */ { type }) => type === 'linear');
    return { ...network, layers: network.layers.toSpliced(first, 0, { type: 'avgpool' }) };
  };
  return {
    implementation,
    library,
    mpirun,
    /**
     * @param {string} model
     * @param {number[] | undefined} hidden
     * @returns {number}
     */
    parametersOf: (model, hidden) => parameterCount(networkOf(model, hidden === undefined ? {} : { hidden })),
    /** The networks whose training on GPUs is predicted. */
    gpuModels: () =>
      [
        { name: 'VGG-16 (CIFAR)', network: networkOf('vgg16', {}) },
        { name: 'VGG-16 (ImageNet size)', network: resolveNetwork(imageNetSize()) },
      ].map(({ name, network }) => ({
        name,
        /** @type {number} */
        macs: layerShapes(network).reduce(
          (/** @type {number} */ sum, /** @type {{ macs: number }} */ { macs }) => sum + macs,
          0,
        ),
        /** @type {number} */
        parameters: parameterCount(network),
      })),
  };
}
