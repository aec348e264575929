// How ranks come to an agreement about NCCL: one GPU for each of them, or MPI with the reason. The ranks and NCCL
// itself are stand-ins; native/test/emulator has the exchange.
import { linkGpus, ncclState, type RankPlacement } from '../../../lib/cluster/ranks/nccl';
import { OneSpikeError } from '../../../lib/errors';
import type { GradientExchange } from '../../../lib/train/run/events';
import { onEveryRank } from '../../helpers/ranks';

const environment = { ...process.env };
afterEach(() => {
  process.env = { ...environment };
});

const gpu = (device: number): RankPlacement => ({ backend: 'cuda', device });
const cpu: RankPlacement = { backend: 'cpu', device: null };
const links = jest.fn(async (_device: number, _library: string) => '2.28.3');
beforeEach(() => links.mockClear());

/** The answer of ranks on these hosts, which is the same on all of them. */
async function agreed(hosts: string[], places: RankPlacement[], link = links): Promise<GradientExchange> {
  const answers = await onEveryRank(hosts.length, async ({ rank, gather }) => {
    const gatherText = async (text: string): Promise<string[]> =>
      (await gather(Buffer.from(text))).map((bytes) => Buffer.from(bytes).toString());
    const name = (of: number): string => `rank ${of} (${hosts[of]})`;
    return linkGpus({ rank, hosts, gatherText, name }, places[rank]!, link);
  });
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  return answers[0]!;
}

test('ranks with a GPU each are linked by NCCL', async () => {
  expect(await agreed(['a', 'a', 'b'], [gpu(0), gpu(1), gpu(0)])).toEqual({
    engine: 'nccl',
    version: '2.28.3',
    reason: '',
  });
  expect(links.mock.calls).toEqual([
    [0, 'libnccl.so.2'],
    [1, 'libnccl.so.2'],
    [0, 'libnccl.so.2'],
  ]);
});

test.each([
  ['two of them share a GPU', ['b', 'a', 'a'], [gpu(0), gpu(2), gpu(2)], 'rank 1 (a) and rank 2 (a) share GPU 2'],
  ['one computes on the CPU', ['a', 'b'], [gpu(0), cpu], 'rank 1 (b) computes on the CPU'],
  ['all do', ['a', 'b'], [cpu, cpu], 'no GPU is used'],
])('MPI adds the gradients where %s, and NCCL is not touched', async (_, hosts, places, reason) => {
  expect(await agreed(hosts, places)).toEqual({ engine: 'mpi', version: null, reason });
  expect(links).not.toHaveBeenCalled();
});

test('MPI adds them where NCCL does not start, and other errors end the run', async () => {
  const missing = 'rank 0 (a): NCCL does not load: libnccl.so.2: cannot open shared object file';
  const failing = (code: 'ERR_NO_BACKEND' | 'ERR_IO'): typeof links =>
    jest.fn(async (_device: number, _library: string): Promise<string> => {
      throw new OneSpikeError(code, missing);
    });
  const places = [gpu(0), gpu(1)];
  expect(await agreed(['a', 'a'], places, failing('ERR_NO_BACKEND'))).toEqual({
    engine: 'mpi',
    version: null,
    reason: missing,
  });
  await expect(agreed(['a', 'a'], places, failing('ERR_IO'))).rejects.toMatchObject({ code: 'ERR_IO' });
});

test('ONESPIKE_NCCL names a library, or turns NCCL off', async () => {
  process.env.ONESPIKE_NCCL = '/opt/nccl/libnccl.so.2';
  await agreed(['a', 'b'], [gpu(0), gpu(0)]);
  expect(links.mock.calls[0]).toEqual([0, '/opt/nccl/libnccl.so.2']);
  expect(ncclState()).toEqual({
    available: false,
    version: null,
    library: '/opt/nccl/libnccl.so.2',
    reason: expect.stringMatching(/NCCL does not load: \/opt\/nccl\/libnccl.so.2: cannot open/),
  });
  process.env.ONESPIKE_NCCL = 'off';
  expect(await agreed(['a', 'b'], [gpu(0), gpu(0)])).toMatchObject({ reason: 'ONESPIKE_NCCL is off on rank 0 (a)' });
  expect(ncclState()).toMatchObject({ available: false, library: null, reason: 'ONESPIKE_NCCL is off' });
});

test('a library that is no NCCL is said to lack a function', () => {
  process.env.ONESPIKE_NCCL = 'libm.so.6';
  expect(ncclState()).toMatchObject({ available: false, reason: expect.stringContaining('has no ncclGetVersion') });
});
