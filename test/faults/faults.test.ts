// Every call that writes files fails in turn, with every kind of error, at every point of a short training and of a
// short resumption. The suite takes a sample; with ONESPIKE_FAULTS=all it tries every call.
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { cliProcess, CommandServer, temporaryFolder, type CliResult } from '../helpers/command-line';
import { briefConfig, compiled, complaints, lost, atOnce, undisturbed } from './helpers';

const calls = ['open', 'link', 'rename', 'fsync', 'write', 'ftruncate', 'mkdir', 'unlink'] as const;
const errors = ['ENOSPC', 'EIO', 'EROFS', 'EPERM', 'EINVAL', 'EMFILE'] as const;
const commands = ['train', 'resume'] as const;
type Call = (typeof calls)[number];
type Command = (typeof commands)[number];

interface Fault {
  call: Call;
  /** Empty for a write that takes half of its bytes. */
  error: (typeof errors)[number] | '';
  /** Which call of its kind fails first, from 1. */
  at: number;
  /** 0 for all from there on. */
  times: number;
}

const folder = temporaryFolder();
const layer = compiled('fault-layer.c', folder);
const all = process.env.ONESPIKE_FAULTS === 'all';
const timeout = all ? 7_200_000 : 300_000;
const total = { cases: 0, failed: 0, refused: 0, lost: 0 };
const counts: Record<Command, Map<Call, number>> = { train: new Map(), resume: new Map() };
let config: string;
let model: Buffer;

type Runner = Pick<CommandServer, 'run'>;
const preloaded = { LD_PRELOAD: 'path' in layer ? layer.path : '' };
/** The fault layer lies between them and the file system; it begins to count anew where FAULT_LOG is another. */
const servers: Runner[] = [1, 2].map(() => new CommandServer(preloaded));
/** A process for each command: how it ends is a part of what is tested. */
const ownProcesses: Runner = {
  run: (args, { env } = {}) => cliProcess(args, { env: { ...preloaded, ...env } }),
};

/** A run that was killed in its second phase: half a line in the log, half a checkpoint beside the last whole one. */
const interrupted = join(folder, 'interrupted', 'run');

/**
 * Trains, or resumes a copy of the interrupted run, under the fault layer; the log tells what was called and what
 * failed.
 */
async function disturbed(
  runner: Runner,
  command: Command,
  name: string,
  fault: Fault | null,
): Promise<{ result: CliResult; run: string; log: string[] }> {
  const root = join(folder, name);
  const run = join(root, 'run');
  const log = join(folder, `${name}.log`);
  if (command === 'resume') cpSync(interrupted, run, { recursive: true });
  else mkdirSync(root);
  const errno = fault === null || fault.error === '' ? 0 : constants.errno[fault.error];
  const args = command === 'resume' ? ['resume', run] : ['train', config, '--out', run];
  const result = await runner.run([...args, '--json'], {
    env: {
      FAULT_ROOT: root,
      FAULT_LOG: log,
      FAULT_CALL: fault?.call ?? 'none',
      FAULT_ERRNO: String(errno),
      FAULT_AT: String(fault?.at ?? 1),
      FAULT_TIMES: String(fault?.times ?? 1),
    },
  });
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [];
  rmSync(log, { force: true });
  return { result, run, log: lines };
}

/** Whatever the fault: the run ends in order, and once resumed with the same parameters. */
async function expectNothingLost(runner: Runner, command: Command, fault: Fault): Promise<void> {
  const name = [command, ...Object.values(fault)].join('-');
  const { result, run, log } = await disturbed(runner, command, name, fault);
  const failed = log.filter((line) => line.endsWith('failed')).length;
  const wrong = [...(failed === 0 ? ['nothing failed'] : []), ...complaints(command, result, run)];
  const unkept = await lost(run, model);
  total.cases++;
  total.failed += failed;
  total.refused += result.status === 0 ? 0 : 1;
  total.lost += unkept.length > 0 ? 1 : 0;
  rmSync(join(folder, name), { recursive: true, force: true });
  expect({ command, fault, wrong, unkept }).toEqual({ command, fault, wrong: [], unkept: [] });
}

/** Which calls fail: all of them, or one for every kind of error, spread over the work. */
function places(command: Command, call: Call, kind: number): number[] {
  const count = counts[command].get(call)!;
  if (all) return Array.from({ length: count }, (_, i) => i + 1);
  // Multiples of the golden section spread evenly, however many there are.
  const share = ((kind + 1) * 0.618034 + calls.indexOf(call) * 0.37) % 1;
  return count === 0 ? [] : [1 + Math.floor(share * count)];
}

const whenCompiled = 'path' in layer ? describe : describe.skip;
if ('reason' in layer) console.log(`skipped: faults of the file system: ${layer.reason}`);

whenCompiled('a file system that refuses', () => {
  beforeAll(async () => {
    ({ config, model } = await undisturbed(folder, briefConfig));
    const renames = 12;
    await disturbed(servers[0]!, 'train', 'interrupted', { call: 'rename', error: 'EIO', at: renames, times: 0 });
    appendFileSync(join(interrupted, 'metrics.jsonl'), '{"event":"epo');
    writeFileSync(join(interrupted, 'checkpoints', '.last.safetensors.0123456789ab.tmp'), 'half');
    for (const command of commands) {
      const { result, log } = await disturbed(servers[0]!, command, `count-${command}`, null);
      expect(result.status).toBe(0);
      for (const call of calls) counts[command].set(call, log.filter((line) => line.startsWith(`${call} `)).length);
    }
    // What is not called cannot fail: together the two commands make every call.
    expect(calls.filter((call) => counts.train.get(call) === 0 && counts.resume.get(call) === 0)).toEqual([]);
  }, timeout);

  afterAll(() => {
    for (const command of commands)
      console.log(`calls of ${command}: ${[...counts[command]].map(([call, count]) => `${call} ${count}`).join(', ')}`);
    console.log(
      `${total.failed} calls failed in ${total.cases} runs, of which ${total.refused} ended early and ${total.lost} were lost`,
    );
  });

  test.each(calls)(
    '%s fails once',
    async (call) => {
      for (const command of commands) {
        const faults = errors.flatMap((error, kind) =>
          places(command, call, kind).map((at): Fault => ({ call, error, at, times: 1 })),
        );
        await atOnce(servers, faults, (fault, runner) => expectNothingLost(runner, command, fault));
      }
    },
    timeout,
  );

  // A lock that cannot be removed stays; its process is gone, so that it is no obstacle.
  test.each(calls.filter((call) => call !== 'unlink'))(
    '%s fails from some moment on',
    async (call) => {
      const command = counts.train.get(call) === 0 ? 'resume' : 'train';
      const faults = (['ENOSPC', 'EROFS'] as const).flatMap((error, kind) =>
        places(command, call, kind + 1)
          .slice(0, 1)
          .map((at): Fault => ({ call, error, at, times: 0 })),
      );
      await atOnce(servers, faults, (fault, runner) => expectNothingLost(runner, command, fault));
    },
    timeout,
  );

  test.each(commands)(
    '%s ends in order in a process of its own, when writes fail from the middle on',
    async (command) => {
      const at = Math.ceil(counts[command].get('write')! / 2);
      await expectNothingLost(ownProcesses, command, { call: 'write', error: 'ENOSPC', at, times: 0 });
    },
    timeout,
  );

  test(
    'writes take half of what they are given, always',
    async () => {
      await expectNothingLost(ownProcesses, 'train', { call: 'write', error: '', at: 1, times: 0 });
    },
    timeout,
  );

  test(
    'without hard links, and without a flush, a training ends as everywhere',
    async () => {
      for (const [call, error] of [
        ['link', 'EPERM'],
        ['fsync', 'EINVAL'],
      ] as const) {
        const { result, run } = await disturbed(servers[0]!, 'train', `without-${call}`, {
          call,
          error,
          at: 1,
          times: 0,
        });
        expect({ status: result.status, stderr: result.stderr }).toEqual({ status: 0, stderr: '' });
        expect(readFileSync(join(run, 'model.safetensors')).equals(model)).toBe(true);
      }
    },
    timeout,
  );
});
