// What the tests of sweeps train.
import { tinyConfig } from '../helpers/command-line';

/** The part of a configuration that makes a trial of about a second. */
export const tinyTrials = {
  model: {
    name: 'tiny',
    layers: [
      { type: 'conv', out: 4, stride: 4 },
      { type: 'linear', out: 10, output: true },
    ],
    timesteps: 3,
  },
  dataset: { name: 'shapes', trainCount: 150, testCount: 40 },
  backend: 'cpu',
  ann: { epochs: 2, batch: 16 },
  convert: tinyConfig.convert,
  snn: { epochs: 2, batch: 16 },
  energy: { images: 10 },
} as const;
