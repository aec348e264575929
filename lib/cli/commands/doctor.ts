/** `doctor`: what this machine offers, and what is missing. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Command } from 'commander';
import { backendInfo, type BackendInfo } from '../../backend';
import { Output } from '../output';
import { table } from '../style';
import { packageVersion } from '../version';

export function addDoctor(program: Command): void {
  program.command('doctor')
    .description('version, processor, GPU and native binary of this installation')
    .option('--json', 'print JSON Lines')
    .addHelpText('after', '\nExample:\n  $ onespike doctor --json')
    .action((flags: { json?: boolean }) => {
      const output = new Output(flags.json === true);
      let info: BackendInfo | undefined;
      let failure: unknown;
      try {
        info = backendInfo();
      } catch (error) {
        failure = error;
      }
      const machine = {
        event: 'doctor', version: packageVersion(), node: process.version, platform: `${process.platform}-${process.arch}`,
        cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: cpus().length, threads: availableParallelism(), memoryBytes: totalmem(),
      };
      const cudaReady = info !== undefined && info.binaryCuda && info.cudaReason === '';
      const native = { backend: info?.backend ?? null, simd: info?.simdTarget ?? null, cuda: info === undefined ? null : { built: info.binaryCuda, available: cudaReady, reason: info.cudaReason }, binary: info?.binaryPath ?? null };
      output.event({ ...machine, ...native } as { event: string });
      const { paint } = output;
      const cuda = cudaReady ? paint('green', 'ready') : `not used: ${info?.cudaReason ?? 'the native addon does not load'}`;
      output.line(table([
        ['onespike', machine.version], ['node', `${machine.node} on ${machine.platform}`],
        ['processor', `${machine.cpu}, ${machine.cores} cores, ${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
        ['vectors', native.simd ?? '–'], ['threads', String(machine.threads)], ['CUDA', cuda], ['backend', native.backend ?? '–'],
        ['binary', native.binary ?? paint('red', 'does not load')],
      ], [0, 1]));
      if (failure !== undefined) throw failure;
    });
}
