// A network beside all other codes on the same test images.
import { join } from 'node:path';
import { expected } from '../check';
import type { LoadedDataset } from '../data';
import { claimFolder } from '../io/exclusive';
import { makeFolder } from '../io/folders';
import { absolutePath } from '../io/paths';
import { exists } from '../io/status';
import { atomicWrite } from '../io/write';
import type { Network, NetworkOptions } from '../model/network';
import { networkHash } from '../model/parameters';
import { packageVersion } from '../native/version';
import { resume, train } from '../train/loop/train';
import { checkClasses, hashDataset } from '../train/run/data-record';
import type { RunWarning, TrainEvent } from '../train/run/events';
import { loadRun, type Run } from '../train/run/load-run';
import { RunFolder } from '../train/run/run-folder';
import { checkCompareOptions, type CheckedComparison, type CompareOptions } from './compare-options';
import { comparisonName, networksOf, type ComparedConfig, type TrainedNetwork } from './networks';
import type { CodeResult, MeasuredCode } from './result';
import { simulatedRows, trainedRow, type OpenNetwork, type Subject } from './rows';
import { firstImages } from './simulate';
import { ComparisonState } from './state';
import { comparisonTable } from './table';

/** The event of a code that has been measured. */
export interface CodeEvent extends CodeResult {
  event: 'code';
}

/** The last event of a comparison. */
export interface ComparedEvent {
  event: 'compared';
  /** The folder of the results: `compare.json`, `compare.md`. */
  out: string;
  /** The folder of the run that was compared. */
  run: string;
  /** The number of test images. */
  images: number;
  /** The number of codes. */
  codes: number;
}

/** An event of a comparison, those of its trainings included; `event` tells its kind. */
export type CompareEvent = TrainEvent | CodeEvent | ComparedEvent;

/**
 * Compares the network of a run, or of a configuration, which is trained first, with its ANN, with that ANN in all
 * simulated codes, and with networks of the trained codes that the configuration asks for, all on the same test images.
 * Yields what happens, an event `code` for each code, and writes them as `compare.json` and as a table, `compare.md`.
 * Called again it goes on where it was interrupted, and measures nothing twice.
 *
 * Errors: ERR_ARG (configuration, options), ERR_STATE (the run has no ANN, or a code; a run beside it does not fit; the
 * folder holds another comparison), ERR_ABORTED (what is done is kept), and those of `train`, `loadRun` and
 * `Network.simulate`.
 */
export async function* compare(
  subject: string | ComparedConfig,
  options: CompareOptions = {},
): AsyncGenerator<CompareEvent, void, undefined> {
  const checked = checkCompareOptions(options);
  if (typeof subject === 'string') {
    const run = await loadRun(subject);
    yield* compareRuns(run, [], checked.out === undefined ? run.path : absolutePath(checked.out), checked);
    return;
  }
  const networks = networksOf(subject, checked.quick);
  const [own, ...others] = networks;
  const name = join('comparisons', comparisonName(own!, checked.quick));
  const out = absolutePath(checked.out ?? own!.config.out ?? name);
  const request = { name: 'comparison.json', content: requestText(networks), what: 'comparison' };
  const release = await claimFolder(out, request);
  try {
    for (const network of networks) yield* trained(network, out, checked);
  } finally {
    await release();
  }
  const coded = await Promise.all(others.map(async ({ folder }) => loadRun(join(out, folder))));
  yield* compareRuns(await loadRun(join(out, own!.folder)), coded, out, checked);
}

/** What must be the same for a comparison to go on in its folder; where it computes does not matter. */
function requestText(networks: readonly TrainedNetwork[]): string {
  const requests = networks.map(({ folder, config }) => {
    const { out: _out, threads: _threads, backend: _backend, device: _device, ...request } = config;
    return [folder, request];
  });
  return `${JSON.stringify(Object.fromEntries(requests), null, 2)}\n`;
}

/** Trains a network, or goes on with it. One that is complete is left alone. */
async function* trained(
  { folder, config }: TrainedNetwork,
  out: string,
  { backend, device, threads, signal, progressSeconds }: CheckedComparison,
): AsyncGenerator<TrainEvent> {
  const path = join(out, folder);
  const placed = { ...(backend && { backend }), ...(device && { device }), ...(threads && { threads }) };
  const options = { signal, ...(progressSeconds === undefined ? {} : { progressSeconds }) };
  if (!(await exists(new RunFolder(path).infoPath))) return yield* train({ ...config, ...placed, out: path }, options);
  const { results } = await loadRun(path);
  if (results === undefined) yield* resume(path, { ...placed, ...options });
}

/** Measures all codes of a run, and those of runs with a code. */
async function* compareRuns(
  run: Run,
  coded: readonly Run[],
  out: string,
  options: CheckedComparison,
): AsyncGenerator<CompareEvent> {
  const { code } = run.info.network;
  if (code !== undefined)
    throw expected(
      'a run without a code (a configuration names trained codes under compare.trained)',
      'the run',
      `the code ${code.kind}`,
      'ERR_STATE',
    );
  const { signal, directory, images } = options;
  const place: NetworkOptions = { device: options.device, threads: options.threads ?? 0 };
  const own = options.backend === undefined ? place : { ...place, backend: options.backend };
  // What cannot be compared is refused before anything is measured.
  const dense = options.ann === undefined ? run : await likeRun(run, options.ann, 'ann');
  const named = await Promise.all(options.coded.map(async (path) => likeRun(run, path, 'coded')));
  const others = [...coded, ...named];
  checkCodes(others);
  const ann = await dense.ann({ backend: 'cpu', threads: place.threads });
  try {
    const loaded = await run.dataset({ ...(signal && { signal }), directory });
    for (const warning of loaded.warnings) yield { event: 'warning', ...warning } as RunWarning;
    const test = firstImages(loaded.test, images);
    await makeFolder(out);
    const state = await ComparisonState.open(out);
    try {
      const subject: Subject = {
        state,
        train: loaded.train,
        test,
        common: await commonKey(loaded, test.count, options.threads ?? 0),
        seed: run.info.seed,
        batch: run.config.evaluation.batch,
        signal,
        onProgress: options.onProgress,
      };
      let rows: readonly MeasuredCode[] = [];
      for await (const row of measuredRows(subject, { run, dense, others }, await opened(ann), own, options)) {
        rows = await state.saveRow(row);
        await writeResults(out, rows);
        yield { event: 'code', ...row.result };
      }
      yield { event: 'compared', out, run: run.path, images: test.count, codes: rows.length };
    } finally {
      await state.close();
    }
  } finally {
    await ann.dispose();
  }
}

/** A run on images like those of `run`. Errors: ERR_STATE, and those of `loadRun`. */
async function likeRun({ path, info }: Run, other: string, option: string): Promise<Run> {
  const found = await loadRun(other);
  checkClasses(info.dataset, found.classes, other);
  const [wanted, given] = [info, found.info].map(({ network }) => network.input.join(' x '));
  if (wanted !== given)
    throw expected(
      `a run on images of ${wanted}, as those of ${path}`,
      option,
      `one on images of ${given}`,
      'ERR_STATE',
    );
  return found;
}

/** Errors: ERR_STATE unless every run has a code, and each another one. */
function checkCodes(runs: readonly Run[]): void {
  const names = new Set<string>();
  for (const run of runs) {
    if (run.info.network.code === undefined)
      throw expected('a network with a code', `coded, ${run.path},`, 'one without', 'ERR_STATE');
    const name = codeName(run);
    if (names.has(name)) throw expected('one run of each code', 'coded', `a second one of ${name}`, 'ERR_STATE');
    names.add(name);
  }
}

/** The network itself and its ANN first, then the simulated codes, then the trained ones. */
async function* measuredRows(
  subject: Subject,
  { run, dense, others }: { run: Run; dense: Run; others: readonly Run[] },
  ann: OpenNetwork,
  own: NetworkOptions,
  { timesteps, quick }: CheckedComparison,
): AsyncGenerator<MeasuredCode> {
  if (run.mode === 'snn')
    yield await withNetwork(run.network(own), (open) => trainedRow(subject, open, codeName(run), 'snn'));
  yield await withNetwork(dense.ann(own), (open) => trainedRow(subject, open, 'ann', 'ann'));
  yield* simulatedRows(subject, ann, { timesteps, quick });
  for (const other of others)
    yield await withNetwork(other.network(own), (open) => trainedRow(subject, open, codeName(other), 'snn'));
}

/**
 * What a network is called beside the simulated codes: `hybrid`, or another encoder's name after `single-spike`; a
 * trained `one-spike-phase` is told apart from the simulated one.
 */
function codeName({ info: { network } }: Run): string {
  const { code, encoder } = network;
  if (code !== undefined) return code.kind === 'one-spike-phase' ? `${code.kind}-trained` : code.kind;
  return encoder === 'hybrid' ? encoder : `single-spike-${encoder}`;
}

async function withNetwork<T>(opening: Promise<Network>, work: (open: OpenNetwork) => Promise<T>): Promise<T> {
  const network = await opening;
  try {
    return await work(await opened(network));
  } finally {
    await network.dispose();
  }
}

async function opened(network: Network): Promise<OpenNetwork> {
  return { network, hash: await networkHash(network.description, await network.parameters()) };
}

async function commonKey(loaded: LoadedDataset, images: number, threads: number): Promise<string> {
  const hashes = await hashDataset(loaded);
  return JSON.stringify([packageVersion(), hashes, images, threads]);
}

async function writeResults(out: string, rows: readonly MeasuredCode[]): Promise<void> {
  const lines = rows.map(({ result }) => JSON.stringify({ event: 'code', ...result }));
  await atomicWrite(join(out, 'compare.json'), `[\n${lines.join(',\n')}\n]\n`);
  await atomicWrite(join(out, 'compare.md'), comparisonTable(rows.map(({ result }) => result)));
}
