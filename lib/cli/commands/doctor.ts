// `doctor`: what this machine offers, and what is missing.
import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Command } from 'commander';
import type { NcclState } from '../../cluster/ranks/nccl';
import { optionalPackages } from '../../data/optional-packages';
import { backendInfo, type BackendInfo, type DeviceInfo } from '../../native/devices';
import { Output } from '../output';
import { table } from '../style';
import { packageVersion } from '../../native/version';

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

function describeDevice({
  name,
  memoryBytes,
  freeBytes,
  computeCapability,
  driver,
  runtime,
  usable,
  reason,
  graphs,
  graphsReason,
}: DeviceInfo): string {
  const memory = `${gibibytes(memoryBytes)}${freeBytes === null ? '' : ` (${gibibytes(freeBytes)} free)`}`;
  const recorded = graphs ? 'as a CUDA graph too' : `but no CUDA graph: ${graphsReason}`;
  const state = usable ? `a kernel ran on it, ${recorded}` : reason === '' ? 'not tried' : 'not usable';
  return `${name}, ${memory}, compute capability ${computeCapability}, driver for CUDA ${driver}, binary of CUDA ${runtime}, ${state}`;
}

const describeNccl = (nccl: NcclState | null): string =>
  nccl?.available
    ? `ready: ${nccl.version} (${nccl.library})`
    : `not used: ${nccl?.reason ?? 'the native addon does not load'}`;

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('version, processor, GPU, MPI and native binary of this installation')
    .option('--json', 'print JSON Lines')
    .addHelpText('after', '\nExample:\n  $ onespike doctor --json')
    .action(async (flags: { json?: boolean }) => {
      const output = new Output(flags.json === true);
      const { mpiState } = await import('../../cluster/ranks/state.js');
      const { ncclState } = await import('../../cluster/ranks/nccl.js');
      const mpi = await mpiState();
      let info: BackendInfo | undefined;
      let failure: unknown;
      try {
        info = backendInfo();
      } catch (error) {
        failure = error;
      }
      const machine = {
        event: 'doctor',
        version: packageVersion(),
        node: process.version,
        platform: `${process.platform}-${process.arch}`,
        cpu: cpus()[0]?.model.trim() ?? 'unknown',
        cores: cpus().length,
        threads: availableParallelism(),
        memoryBytes: totalmem(),
      };
      const gpu = info?.devices.find(({ usable }) => usable);
      const reason = info?.cudaReason ?? 'the native addon does not load';
      const native = {
        backend: info?.backend ?? null,
        device: info?.device ?? null,
        processor: info?.processor ?? null,
        simd: info?.simdTarget ?? null,
        cuda:
          info === undefined
            ? null
            : { built: info.binaryCuda, available: gpu !== undefined, reason, devices: info.devices },
        binary: info?.binaryPath ?? null,
        mpi,
        nccl: info === undefined ? null : ncclState(),
      };
      const packages = optionalPackages();
      output.event({ ...machine, ...native, packages });
      const { paint } = output;
      output.line(
        table(
          [
            ['onespike', machine.version],
            ['node', `${machine.node} on ${machine.platform}`],
            ['processor', `${machine.cpu}, ${machine.cores} cores, ${gibibytes(machine.memoryBytes)}`],
            ['vectors', native.simd ?? '–'],
            ['threads', String(machine.threads)],
            ['CUDA', gpu === undefined ? `not used: ${reason}` : paint('green', 'ready')],
            ...(info?.devices ?? []).map((each) => [`GPU ${each.device}`, describeDevice(each)]),
            ['backend', native.backend ?? '–'],
            ['MPI', mpi.available ? `${paint('green', 'ready')}: ${mpi.built.join(', ')}` : `not used: ${mpi.reason}`],
            ['NCCL', describeNccl(native.nccl)],
            ['binary', native.binary ?? paint('red', 'does not load')],
            ...packages.map(({ name, version, purpose }) => [
              name,
              version ?? `not installed; for ${purpose}: npm install ${name}`,
            ]),
          ],
          [0, 1],
        ),
      );
      if (failure !== undefined) throw failure;
    });
}
