// The public API against files that PyTorch made in float64: the package's own (scripts/references/goldens.py) and,
// where it lies beside the checkout, the set that the specification ships. What must match, and how exactly, is in
// check.ts.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Network } from '../../lib';
import { onEachBackend } from '../helpers/backends';
import { goldenMode, goldenNames, readGolden, unknownNetwork } from '../helpers/golden';
import { checkCoded } from './coded';
import { checkNormalised, checkRelu, checkSpiking, checkTraining, withRoundedWeights, type TrainingRun } from './check';

const root = join(__dirname, '..', '..');
const own = join(__dirname, 'cases');
const shared = join(root, '..', 'shared', 'reference', 'golden');

onEachBackend(
  (on) => {
    describe('golden files of the package', () => {
      const names = goldenNames(own);
      test('are there', () => expect(names.length).toBeGreaterThanOrEqual(8));
      test.each(names)('%s, spiking', async (name) => checkSpiking(Network, await readGolden(own, name), on));
      test.each(names)('%s, ReLU', async (name) => checkRelu(Network, await readGolden(own, name), on));
    });

    describe("ten losses of PyTorch's optimisers", () => {
      const { runs } = JSON.parse(readFileSync(join(own, 'training.json'), 'utf8')) as { runs: TrainingRun[] };
      test.each(runs.map((run) => [`${run.case} ${run.mode} ${String(run.kind)}`, run] as const))(
        '%s',
        async (_, run) => checkTraining(Network, await readGolden(own, run.case), run, on),
      );
    });

    describe('golden files beside the checkout', () => {
      const all = goldenNames(shared);
      const names = all.filter((name) => unknownNetwork(shared, name) === '');
      for (const name of all.filter((other) => !names.includes(other)))
        test.skip(`${name}, skipped: ${unknownNetwork(shared, name)}`, () => undefined);
      if (all.length === 0) {
        console.log(`skipped: no golden files in ${shared}`);
        test.skip('not there', () => undefined);
      } else if (names.length > 0) {
        const of = (mode: string): string[] => names.filter((name) => goldenMode(shared, name) === mode);
        test.each(of('snn'))('%s, spiking', async (name) => checkSpiking(Network, await readGolden(shared, name), on));
        const coded = of('code');
        if (coded.length > 0)
          test.each(coded)('%s, with a code', async (name) => checkCoded(Network, await readGolden(shared, name), on));
        const normalised = of('ann');
        if (normalised.length > 0)
          test.each(normalised)('%s, normalised', async (name) =>
            checkNormalised(Network, await readGolden(shared, name), on),
          );
      }
    });
  },
  ['fp32', 'mixed'],
);

test('the check finds one wrong spike, and a gradient that is off', async () => {
  const golden = await readGolden(own, goldenNames(own)[0]!);
  const on = { backend: 'cpu', precision: 'fp32' } as const;
  const rounded = { ...golden, parameters: withRoundedWeights(golden.parameters) };
  await expect(checkSpiking(Network, rounded, on)).rejects.toThrow(/^Expected \S+ (within|to match exactly)/);
  const tensors = new Map(golden.tensors);
  const [name, tensor] = [...tensors].find(([key]) => key.startsWith('grad.') && key.endsWith('.weight'))!;
  tensors.set(name, { ...tensor, data: Float64Array.from(tensor.data as Float64Array, (value) => 1.001 * value) });
  await expect(checkSpiking(Network, { ...golden, tensors }, on)).rejects.toThrow(`Expected ${name} within 0.0001`);
});
