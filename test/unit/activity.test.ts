import { SeededRandom } from '../../lib/data';
import { Network } from '../../lib/model/network';
import { vgg } from '../../lib/model/vgg';
import { setActivity } from '../../lib/cli/bench/activity';

const images = 8;
const random = new SeededRandom(1);
const pixels = Uint8Array.from({ length: images * 3 * 32 * 32 }, () => random.below(256));

async function withNetwork(work: (network: Network, shares: number[][]) => Promise<void>): Promise<void> {
  const network = await Network.create(vgg('vgg9', { width: 0.25, hidden: [512], leak: 0.9 }), {
    backend: 'cpu',
    seed: 3,
    threads: 1,
  });
  const shares: number[][] = [];
  const forward = network.forward.bind(network);
  network.forward = async (...args) => {
    const result = await forward(...args);
    shares.push([...result.stats.spikes].map((spikes, i) => spikes / (images * network.layers[i]!.neurons)));
    return result;
  };
  try {
    await work(network, shares);
  } finally {
    await network.dispose();
  }
}

test.each([0.02, 0.12, 0.25])('a share of %f of every layer fires', (activity) =>
  withNetwork(async (network, shares) => {
    const reached = await setActivity(network, pixels, activity);
    expect(reached).toHaveLength(network.layers.length - 1);
    for (const share of reached) expect(Math.abs(share - activity)).toBeLessThanOrEqual(0.01 * activity);
    await network.forward(pixels);
    expect(shares.at(-1)).toEqual(reached);
  }),
);

test('the search never fires much more than the wanted share, and is short', () =>
  withNetwork(async (network, shares) => {
    await setActivity(network, pixels, 0.12);
    expect(Math.max(...shares.flat())).toBeLessThan(0.2);
    expect(shares.length).toBeLessThan(10 * network.layers.length);
  }));

test('more than 16 images share the thresholds evenly, deep layers too', async () => {
  const many = Uint8Array.from({ length: 40 * 3 * 32 * 32 }, () => random.below(256));
  const network = await Network.create(vgg('vgg16', { width: 0.25, hidden: [512], leak: 0.9 }), {
    backend: 'cpu',
    seed: 3,
    threads: 1,
  });
  try {
    const said: string[] = [];
    const reached = await setActivity(network, many, 0.06, {
      onLayer: (done, layers) => said.push(`${done}/${layers}`),
    });
    expect(said).toEqual(Array.from({ length: 28 }, (_, i) => `${i}/28`));
    for (const share of reached) expect(Math.abs(share - 0.06)).toBeLessThanOrEqual(0.0006);
    const { stats } = await network.forward(many);
    expect([...stats.spikes].map((spikes, i) => spikes / (40 * network.layers[i]!.neurons))).toEqual(reached);
  } finally {
    await network.dispose();
  }
});

test('no threshold falls below 0.1, and what cannot be reached ends the search', () =>
  withNetwork(async (network) => {
    const reached = await setActivity(network, pixels, 1);
    for (const share of reached) expect(share).toBeGreaterThan(0.2);
    for (const { layer } of network.layers.slice(0, -1))
      expect((await network.parameters()).get(`layers.${layer}.threshold`)!.data[0]).toBeGreaterThanOrEqual(
        Math.fround(0.1),
      );
  }));

test('an abort ends the search', () =>
  withNetwork(async (network) => {
    const controller = new AbortController();
    const onLayer = (done: number): void => (done === 1 ? controller.abort() : undefined);
    await expect(setActivity(network, pixels, 0.12, { signal: controller.signal, onLayer })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
  }));
