/** `bench`: images per second of a network with random weights at a given activity. */
import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { backendInfo } from '../../backend';
import { checkOneOf } from '../../check';
import { SeededRandom } from '../../data';
import { Network } from '../../model/network';
import { vgg } from '../../model/vgg';
import { setActivity } from '../../train/activity';
import { presetNames } from '../../train/presets';
import { listenForInterrupt } from '../interrupt';
import { Output } from '../output';
import { asUsage, integerOption, numberOption } from '../usage';

const modes = ['train', 'infer', 'ann-train', 'ann-infer'] as const;

interface BenchFlags {
  model: string;
  mode: string;
  batch: number;
  timesteps: number;
  classes: number;
  activity: number;
  threads?: number;
  backend: 'auto' | 'cpu' | 'cuda';
  iterations: number;
  warmup: number;
  json?: boolean;
}

// A rate at which nothing diverges, so that every step does the same work.
const optimizer = {
  kind: 'sgd', learningRate: 1e-6, neuronLearningRate: 1e-6, momentum: 0.9, weightDecay: 0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, amsgrad: false, clipNorm: 0,
} as const;

export function addBench(program: Command): void {
  program.command('bench')
    .description('time a network with random weights on random 32x32 pictures')
    .option('--model <name>', presetNames.join(', '), 'vgg16')
    .option('--mode <mode>', modes.join(', '), 'train')
    .option('--batch <n>', 'images per step', integerOption(1), 64)
    .option('--timesteps <n>', 'T', integerOption(1), 5)
    .option('--classes <n>', 'output classes', integerOption(1), 10)
    .option('--activity <share>', 'share of the neurons of each layer that fires', numberOption(0, 1), 0.12)
    .option('--threads <n>', 'compute threads (default: all cores)', integerOption(1))
    .option('--backend <name>', 'auto, cpu or cuda', 'auto')
    .option('--iterations <n>', 'timed steps', integerOption(1), 5)
    .option('--warmup <n>', 'steps before the timed ones', integerOption(0), 1)
    .option('--json', 'print JSON Lines')
    .addHelpText('after', `
Examples:
  $ onespike bench --model vgg16 --mode train --batch 64 --threads 2
  $ onespike bench --model vgg9 --mode infer --json`)
    .action(async (flags: BenchFlags) => {
      const output = new Output(flags.json === true);
      asUsage(() => checkOneOf(flags.model, '--model', presetNames));
      asUsage(() => checkOneOf(flags.mode, '--mode', modes));
      asUsage(() => checkOneOf(flags.backend, '--backend', ['auto', 'cpu', 'cuda']));
      const { signal, release } = listenForInterrupt(output);
      try {
        await bench(flags, output, signal);
      } finally {
        output.clear();
        release();
      }
    });
}

async function bench(flags: BenchFlags, output: Output, signal: AbortSignal): Promise<void> {
  const description = vgg(flags.model, { classes: flags.classes, timesteps: flags.timesteps, leak: 0.9 });
  const network = await Network.create(description, { backend: flags.backend, seed: 0, threads: flags.threads ?? availableParallelism() });
  try {
    const random = new SeededRandom(0);
    const pixels = Uint8Array.from({ length: flags.batch * 3 * 32 * 32 }, () => random.below(256));
    const labels = Int32Array.from({ length: flags.batch }, () => random.below(flags.classes));
    const phase = flags.mode.startsWith('ann') ? 'ann' : 'snn';
    output.status('setting thresholds');
    const sample = Uint8Array.from({ length: 16 * 3 * 32 * 32 }, () => random.below(256));
    const shares = phase === 'snn' ? await setActivity(network, sample, flags.activity, signal) : [];
    const step = async (): Promise<void> => {
      if (flags.mode.endsWith('infer')) await network.forward(pixels, { mode: phase, signal });
      else await network.trainStep({ pixels, labels }, { mode: phase, optimizer, signal });
    };
    const seconds: number[] = [];
    for (let i = -flags.warmup; i < flags.iterations; i++) {
      const started = performance.now();
      await step();
      if (i >= 0) seconds.push((performance.now() - started) / 1000);
      output.status(`${flags.mode}  step ${Math.max(0, i + 1)} of ${flags.iterations}`);
    }
    const sorted = [...seconds].sort((a, b) => a - b);
    const middle = (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
    const info = backendInfo();
    const result = {
      event: 'bench', model: flags.model, mode: flags.mode, batch: flags.batch, timesteps: flags.timesteps, device: network.backend, dtype: 'float32',
      threads: network.threads, version: info.version, simd: info.simdTarget, imagesPerSecond: flags.batch / middle, best: flags.batch / sorted[0]!,
      spikesPerNeuron: shares.map((share) => Math.round(1000 * share) / 1000),
    };
    output.event(result);
    output.line(`${flags.model} ${flags.mode}, batch ${flags.batch}, T = ${flags.timesteps}, ${network.backend} (${info.simdTarget}), ${network.threads} threads`);
    output.line(`${output.paint('bold', `${result.imagesPerSecond.toFixed(1)} images/s`)} (median of ${seconds.length}), best ${result.best.toFixed(1)}`);
    if (shares.length > 0) output.line(`spikes/neuron by layer: ${result.spikesPerNeuron.join(', ')}`);
  } finally {
    await network.dispose();
  }
}
