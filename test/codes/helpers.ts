// A run of a second or two, to compare codes on.
import { train } from '../../lib/train/loop/train';
import { collect } from '../helpers/runs';

export const tinyCompared = {
  model: {
    name: 'tiny',
    layers: [
      { type: 'conv', out: 4, stride: 4 },
      { type: 'avgpool' },
      { type: 'conv', out: 6 },
      { type: 'linear', out: 10, output: true },
    ],
    timesteps: 3,
  },
  dataset: { name: 'shapes', trainCount: 150, testCount: 40 },
  backend: 'cpu',
  threads: 1,
  ann: { epochs: 1, batch: 16 },
  convert: { images: 50 },
  snn: { epochs: 1, batch: 16 },
  energy: { images: 20 },
} as const;

/** Few steps of every code. */
export const fewSteps = {
  rate: 12,
  direct: 6,
  phase: 16,
  burst: 8,
  'ttfs-converted': 11,
  tsc: 6,
  'one-spike-phase': 5,
} as const;

export async function trainTiny(out: string, changes: object = {}): Promise<void> {
  await collect(train({ ...(tinyCompared as object), ...changes, out }));
}
