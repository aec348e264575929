// The public API against files that PyTorch made in float64: the package's own (scripts/make-goldens.py) and, where it
// lies beside the checkout, the set that the specification ships. No decision of any case is nearer than 1e-5 to a tie, so
// spike times must match exactly; 1e-4 leaves room for float32 sums.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Network } from '../../lib';
import { onEachBackend } from '../helpers/backends';
import { distance, goldenNames, numbers, readGolden, type Golden } from '../helpers/golden';

const root = join(__dirname, '..', '..');
const own = join(__dirname, 'cases');
const shared = join(root, '..', 'shared', 'reference', 'golden');
const TOLERANCE = 1e-4;

interface Run {
  case: string;
  mode: 'ann' | 'snn';
  losses: number[];
  absoluteSums: Record<string, number>;
  [option: string]: unknown;
}

function expectClose(value: ArrayLike<number>, golden: Golden, name: string): void {
  const off = distance(value, numbers(golden.tensors.get(name)!));
  if (!(off <= TOLERANCE)) throw new Error(`Expected ${name} within ${TOLERANCE} of its norm but it is off by ${off}`);
}

/** What a description asks for that this version has no network for; undefined if it has. */
function missingFeature(description: string): string | undefined {
  return ['code', 'schedules', 'norm'].find((key) => description.includes(`"${key}"`));
}

onEachBackend((on) => {
  async function withNetwork(golden: Golden, use: (network: Network) => Promise<void>): Promise<void> {
    const network = await Network.create(golden.description, { ...on, seed: 1, threads: 2 });
    try {
      await network.setParameters(golden.parameters);
      await use(network);
    } finally {
      await network.dispose();
    }
  }

  async function spiking(golden: Golden): Promise<void> {
    await withNetwork(golden, async (network) => {
      const { description, pixels, labels, tensors } = golden;
      const { logits, spikeTimes, potentials } = await network.forward(pixels, { trace: true, potentials: true });
      expectClose(logits, golden, 'logits');
      let layers = 0;
      for (const name of tensors.keys()) {
        const layer = /^trace\.(layers\.\d+)\.spike_time$/.exec(name)?.[1];
        if (layer === undefined) continue;
        layers++;
        expect([layer, Array.from(spikeTimes!.get(layer)!)]).toEqual([layer, numbers(tensors.get(name)!)]);
      }
      expect(layers).toBe(description.layers.filter(({ type }) => type !== 'avgpool').length);
      const classes = logits.length / labels.length;
      const last = Float32Array.from(
        logits,
        (_, i) =>
          potentials![
            (Math.floor(i / classes) * description.timesteps + description.timesteps - 1) * classes + (i % classes)
          ]!,
      );
      expectClose(last, golden, `trace.layers.${description.layers.length - 1}.potential`);

      const { loss, gradients } = await network.gradients(pixels, labels);
      expectClose([loss], golden, 'loss');
      const names = [...tensors.keys()]
        .filter((name) => name.startsWith('grad.'))
        .map((name) => name.slice('grad.'.length));
      expect([...gradients.keys()].sort()).toEqual(names.sort());
      for (const name of names) expectClose(gradients.get(name)!, golden, `grad.${name}`);
    });
  }

  async function relu(golden: Golden): Promise<void> {
    await withNetwork(golden, async (network) => {
      const { logits } = await network.forward(golden.pixels, { mode: 'ann' });
      expectClose(logits, golden, 'ann.logits');
      const { loss, gradients } = await network.gradients(golden.pixels, golden.labels, { mode: 'ann' });
      expectClose([loss], golden, 'ann.loss');
      for (const [name, gradient] of gradients) {
        if (golden.tensors.has(`ann.grad.${name}`)) expectClose(gradient, golden, `ann.grad.${name}`);
        else expect([name, Math.max(...gradient.map(Math.abs))]).toEqual([name, 0]); // thresholds and leaks take no part
      }
    });
  }

  describe('golden files of the package', () => {
    const names = goldenNames(own);
    test('are there', () => expect(names.length).toBeGreaterThanOrEqual(8));
    test.each(names)('%s, spiking', async (name) => spiking(await readGolden(own, name)));
    test.each(names)('%s, ReLU', async (name) => relu(await readGolden(own, name)));
  });

  describe("ten losses of PyTorch's optimisers", () => {
    const { runs } = JSON.parse(readFileSync(join(own, 'training.json'), 'utf8')) as { runs: Run[] };
    test.each(runs.map((run) => [`${run.case} ${run.mode} ${String(run.kind)}`, run] as const))(
      '%s',
      async (_, run) => {
        const { case: name, mode, losses, absoluteSums, margin: _margin, ...optimizer } = run;
        const golden = await readGolden(own, name);
        await withNetwork(golden, async (network) => {
          const seen: number[] = [];
          for (let step = 0; step < losses.length; step++) {
            seen.push(
              (
                await network.trainStep(
                  { pixels: golden.pixels, labels: golden.labels },
                  { mode, optimizer: optimizer as never },
                )
              ).loss,
            );
          }
          expect(distance(seen, losses)).toBeLessThan(TOLERANCE);
          for (const [tensor, { data }] of await network.parameters()) {
            expect([tensor, data.reduce((sum: number, value: number) => sum + Math.abs(value), 0)]).toEqual([
              tensor,
              expect.closeTo(absoluteSums[tensor]!, 3),
            ]);
          }
        });
      },
    );
  });

  describe('golden files beside the checkout', () => {
    const names = goldenNames(shared);
    if (names.length === 0) {
      console.log(`skipped: no golden files in ${shared}`);
      test.skip('not there', () => undefined);
    } else {
      for (const name of names) {
        const missing = missingFeature(readFileSync(join(shared, `${name}.json`), 'utf8'));
        if (missing === undefined) {
          test(`${name}, spiking`, async () => spiking(await readGolden(shared, name)));
        } else {
          console.log(`skipped: ${name}: networks with ${missing} cannot be described yet`);
          test.skip(`${name}, spiking`, () => undefined);
        }
      }
      test('some of them are described', () =>
        expect(
          names.some((name) => missingFeature(readFileSync(join(shared, `${name}.json`), 'utf8')) === undefined),
        ).toBe(true));
    }
  });
});
