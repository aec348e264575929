// Ranks that would train something else are refused at the start, each by its name and on every rank; instruction sets
// are agreed on. The ranks are stand-ins in this process; what differs on one of them is what the context of its calls
// says.
import { AsyncLocalStorage } from 'node:async_hooks';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { agreeOnProcessor } from '../../../lib/cluster/ranks/open';
import { MpiRanks } from '../../../lib/cluster/ranks/ranks';
import type { Communicator } from '../../../lib/native/communicator';
import { train } from '../../../lib/train/loop/train';
import { main, temporaryFolder, tinyConfig } from '../../helpers/command-line';
import { collect } from '../../helpers/runs';
import { onEveryRank } from '../../helpers/ranks';
import { builtCache, linesOf, mpis, ranksOf, run } from './helpers';
import { dividedConfig, writeConfig } from './training';

/** What is otherwise on the rank that calls. */
interface Otherwise {
  version?: string;
  seed?: number;
  targets?: string[];
}
const mockHere = new AsyncLocalStorage<Otherwise>();
const mockLimited = jest.fn();
jest.mock('../../../lib/native/devices', () => {
  const actual = jest.requireActual<typeof import('../../../lib/native/devices')>('../../../lib/native/devices');
  const hostInfo = (): object => {
    const { version } = mockHere.getStore() ?? {};
    return { ...actual.hostInfo(), ...(version === undefined ? {} : { version }) };
  };
  return { ...actual, hostInfo, shareThreads: () => undefined };
});
jest.mock('../../../lib/train/loop/model', () => {
  const actual = jest.requireActual<typeof import('../../../lib/train/loop/model')>('../../../lib/train/loop/model');
  const networkOptions: typeof actual.networkOptions = (config) => ({
    ...actual.networkOptions(config),
    seed: mockHere.getStore()?.seed ?? config.seed,
  });
  return { ...actual, networkOptions };
});
jest.mock('../../../lib/native/communicator', () => ({
  ...jest.requireActual<object>('../../../lib/native/communicator'),
  processor: () => ({ targets: mockHere.getStore()!.targets, bf16: 'avx512' }),
  limitProcessor: (...args: unknown[]) => mockLimited(...args),
}));
const folder = temporaryFolder();
const environment = builtCache();

/** Work of three ranks, the second of which differs; what each of them ends with. */
async function withOther<T>(
  otherwise: (rank: number) => Otherwise,
  work: (ranks: MpiRanks) => Promise<T>,
): Promise<(T | string)[]> {
  return onEveryRank(3, ({ rank, size, gather }) => {
    const communicator = {
      place: { rank, size, hosts: ['host-a', 'host-b', 'host-c'] },
      gather: async (bytes: Uint8Array) => new Uint8Array(Buffer.concat(await gather(bytes))),
      broadcast: async (bytes: Uint8Array) => (await gather(bytes))[0]!,
    } as unknown as Communicator;
    return mockHere.run(otherwise(rank), async () =>
      work(new MpiRanks(communicator)).catch(({ code, message }: { code: string; message: string }) =>
        [code, message].join(' '),
      ),
    );
  });
}

const images = (rank: number): object => {
  const shape = [3, 16, 16];
  const classes = ['a', 'b'];
  const part = (count: number): object => ({
    pixels: Uint8Array.from({ length: count * 768 }, (_, at) => (at === 5 && rank === 1 ? 1 : at % 251)),
    labels: Int32Array.from({ length: count }, (_, i) => i % 2),
  });
  return { shape, classes, train: part(32), test: part(8) };
};

describe('refused by name, on every rank, before a file is written:', () => {
  test.each([
    ['other images', {}, /the images \(train\), "[0-9a-f]{64}" on most, but received "[0-9a-f]{64}"/],
    ['another version', { version: '9.9.9' }, /the version, [\d.]+ on most, but received 9\.9\.9/],
    ['another start of the network', { seed: 99 }, /the network \(parameters\), .* on most, but received/],
  ] as const)('%s', async (what, otherwise, message) => {
    const out = join(folder, what);
    const outcomes = await withOther(
      (rank) => (rank === 1 ? otherwise : {}),
      async (ranks) => {
        const dataset = images(what === 'other images' ? ranks.rank : 0);
        const model = {
          ...tinyConfig.model,
          layers: tinyConfig.model.layers.map((layer) => ('output' in layer ? { ...layer, out: 2 } : layer)),
        };
        const config = { ...structuredClone(tinyConfig), model, dataset, seed: 5, out };
        return collect(train(config as never, { ranks }));
      },
    );
    expect(outcomes).toEqual(
      Array.from({ length: 3 }, () => expect.stringMatching(/^ERR_STATE .* on rank 1 \(host-b\)$/)),
    );
    for (const outcome of outcomes) expect(outcome).toMatch(message);
    expect(existsSync(out)).toBe(false);
  });

  test('instruction sets of which none is common', async () => {
    const outcomes = await withOther(
      (rank) => ({ targets: rank === 1 ? ['NEON'] : ['AVX2', 'SSE4'] }),
      agreeOnProcessor,
    );
    const received = 'AVX2 on rank 0 (host-a), NEON on rank 1 (host-b), AVX2 on rank 2 (host-c)';
    const refusal = `ERR_NO_BACKEND Expected an instruction set that all ranks have but received ${received}`;
    expect(outcomes).toEqual([refusal, refusal, refusal]);
    expect(mockLimited).not.toHaveBeenCalled();
  });
});

test('all ranks compute with the best instruction set that each has', async () => {
  await withOther((rank) => ({ targets: rank === 1 ? ['AVX2', 'SSE4'] : ['AVX3', 'AVX2', 'SSE4'] }), agreeOnProcessor);
  expect(mockLimited.mock.calls).toEqual(Array.from({ length: 3 }, () => [{ target: 'AVX2', bf16: 'avx512' }]));
});

(mpis.length > 0 ? test : test.skip)(
  'the start event names it: that of the rank with the fewest',
  async () => {
    const native = join(main, '../../native/communicator.js');
    const preload = join(folder, 'limited.cjs');
    // As of an older processor: the worst instruction set that this binary has.
    writeFileSync(
      preload,
      `const native = require(${JSON.stringify(native)});
const { targets } = native.processor();
if (process.env.OMPI_COMM_WORLD_RANK === '1' || process.env.PMI_RANK === '1')
  native.processor = () => ({ targets: targets.slice(-1), bf16: 'floats' });
`,
    );
    const config = writeConfig(folder, 'start', { ...dividedConfig, ann: { epochs: 0 }, snn: { epochs: 0 } });
    const [mpi] = mpis;
    const args = [
      process.execPath,
      '--require',
      preload,
      main,
      'train',
      config,
      '--out',
      join(folder, 'start'),
      '--json',
    ];
    const { status, stdout } = await run(mpi!.mpirun, [...ranksOf(mpi!, 2), ...args], environment);
    expect(status).toBe(0);
    const [start] = linesOf(stdout);
    const { processor } = jest.requireActual<typeof import('../../../lib/native/communicator')>(
      '../../../lib/native/communicator',
    );
    expect(start).toMatchObject({ event: 'start', ranks: 2, instructionSet: processor().targets.at(-1) });
  },
  60_000,
);
