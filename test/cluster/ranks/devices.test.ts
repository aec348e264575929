// GPUs dealt to ranks: those that are usable, one for each rank where there are enough, whether a run begins or goes
// on. The GPUs and the other ranks are stand-ins.
import { dealDevice, type DealingRanks, type Gpus } from '../../../lib/cluster/ranks/devices';
import * as training from '../../../lib/train/loop/train';
import { buildProgram } from '../../../lib/cli/program';
import { onEveryRank } from '../../helpers/ranks';

const mockJoined = { openRanks: jest.fn(), dealDevice: jest.fn() };
// Loaded when the command runs, by the names of the compiled files.
jest.mock('../../../lib/cluster/ranks/open.js', () => ({ openRanks: () => mockJoined.openRanks() }), { virtual: true });
jest.mock('../../../lib/cluster/ranks/devices.js', () => ({ dealDevice: () => mockJoined.dealDevice() }), {
  virtual: true,
});
jest.mock('../../../lib/train/loop/train', () => ({ train: jest.fn(), resume: jest.fn() }));

/** What each of these ranks is dealt, and the GPUs that it has probed. */
async function deal(
  hosts: string[],
  devices: (rank: number) => boolean[],
  backend = 'auto',
): Promise<{ device: number | undefined; probed: number[] }[]> {
  return onEveryRank(hosts.length, async ({ rank, gather }) => {
    const probed: number[] = [];
    const gpus: Gpus = {
      count: () => devices(rank).length,
      usable: (device) => {
        probed.push(device);
        return devices(rank)[device]!;
      },
    };
    const gatherText: DealingRanks['gatherText'] = async (text) =>
      (await gather(Buffer.from(text))).map((bytes) => Buffer.from(bytes).toString());
    return { device: await dealDevice({ rank, hosts, gatherText }, backend, gpus), probed };
  });
}

const dealtTo = async (...args: Parameters<typeof deal>): Promise<(number | undefined)[]> =>
  (await deal(...args)).map(({ device }) => device);
const here = (ranks: number): string[] => Array.from({ length: ranks }, () => 'a');

describe('the GPUs of a host', () => {
  test('are dealt out in turn, and each is probed by one rank alone', async () => {
    expect(await deal(here(3), () => [true, true])).toEqual([
      { device: 0, probed: [0] },
      { device: 1, probed: [1] },
      { device: 0, probed: [] },
    ]);
  });

  test('that are not usable do not count', async () => {
    expect(await dealtTo(here(2), () => [true, false, true])).toEqual([0, 2]);
    expect(await dealtTo(here(2), () => [false, false, true])).toEqual([2, 2]);
    expect(await dealtTo(here(3), () => [false, true, true])).toEqual([1, 2, 1]);
  });

  test('are its own', async () => {
    expect(await dealtTo(['a', 'b', 'a', 'b'], (rank) => (rank % 2 === 0 ? [true, true] : [false, true]))).toEqual([
      0, 1, 1, 1,
    ]);
  });

  test('are none where there are none, none is usable, or none is wanted', async () => {
    const none = [undefined, undefined];
    expect(await dealtTo(here(2), () => [])).toEqual(none);
    expect(await dealtTo(here(2), () => [false])).toEqual(none);
    expect(await deal(here(2), () => [true], 'cpu')).toEqual(none.map((device) => ({ device, probed: [] })));
  });
});

describe('a rank computes on the GPU that it was dealt', () => {
  const environment = { ...process.env };
  beforeEach(() => {
    Object.assign(process.env, { OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '2' });
    mockJoined.openRanks.mockResolvedValue({ rank: 1, close: async () => undefined });
    mockJoined.dealDevice.mockResolvedValue(1);
    for (const mocked of [training.train, training.resume])
      jest.mocked(mocked).mockImplementation(async function* () {});
  });
  afterEach(() => {
    process.env = { ...environment };
  });

  test.each([
    [[], 1],
    [['--device', '3'], 3],
  ])('when a run begins and when it goes on, with %j', async (flags, device) => {
    await buildProgram().parseAsync(['train', 'vgg6', ...flags], { from: 'user' });
    expect(jest.mocked(training.train).mock.lastCall![0]).toMatchObject({ device });
    await buildProgram().parseAsync(['resume', 'runs/any', ...flags], { from: 'user' });
    expect(jest.mocked(training.resume).mock.lastCall).toMatchObject(['runs/any', { device }]);
  });
});
