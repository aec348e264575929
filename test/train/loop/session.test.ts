// Opening a run: what fails on the way leaves nothing in native memory.
import { loadDataset } from '../../../lib/data';
import { liveHandles } from '../../../lib/native/addon';
import { resolveConfig, type TrainConfigInput } from '../../../lib/train/config/config';
import { networkOf } from '../../../lib/train/loop/model';
import { Session, type RunDescription, type SessionSource } from '../../../lib/train/loop/session';
import { RunFolder } from '../../../lib/train/run/run-folder';
import { temporaryFolder, tinyConfig } from '../../helpers/command-line';

const folder = new RunFolder(temporaryFolder());
const options = { progressSeconds: 5, ranks: null };
const described = { info: {}, warnings: [] } as unknown as RunDescription;

async function source(change: object = {}): Promise<SessionSource> {
  const config = resolveConfig({ ...structuredClone(tinyConfig), ...change } as unknown as TrainConfigInput);
  const { name, validation: _, ...chosen } = config.dataset;
  const loaded = await loadDataset(name, chosen);
  return { config, folder, loaded, description: networkOf(config.model, loaded), resumed: false };
}
test('an open session holds a network and the images; disposed, nothing', async () => {
  const before = liveHandles();
  const session = await Session.open(await source(), () => described, options);
  expect(liveHandles()).toEqual({ networks: before.networks + 1, datasets: before.datasets + 2 });
  await session.dispose();
  expect(liveHandles()).toEqual(before);
});

test('a description that fails: its error, and neither the network nor the images stay', async () => {
  const before = liveHandles();
  let placed = before;
  const failure = new Error('of the description');
  const describe = (): never => {
    placed = liveHandles();
    throw failure;
  };
  await expect(Session.open(await source(), describe, options)).rejects.toBe(failure);
  expect(placed).toEqual({ networks: before.networks + 1, datasets: before.datasets + 2 });
  expect(liveHandles()).toEqual(before);
});

test('images that are refused: the network does not stay', async () => {
  const before = liveHandles();
  const without = await source({ dataset: { ...tinyConfig.dataset, validation: 0 } });
  without.config.snn.patience = 1;
  await expect(Session.open(without, () => described, options)).rejects.toMatchObject({ code: 'ERR_ARG' });
  expect(liveHandles()).toEqual(before);
});
