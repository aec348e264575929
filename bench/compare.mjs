// Times `onespike bench` against another program on the same machine, in turns, so that both meet the same noise.
//
//   node bench/compare.mjs --opponent "COMMAND {model} {mode} --batch {batch} --timesteps {timesteps} --threads {threads}" \
//        [--models vgg6,vgg9] [--modes train,infer] [--batch 64] [--timesteps 5] [--activity 0.12] [--threads 2] [--rounds 3] [--json]
//
// The opponent prints one JSON object with `imagesPerSecond` as its last line. The figure of a side is the median of its rounds.
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const main = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist', 'lib', 'cli', 'main.js');
const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: {
    opponent: { type: 'string' }, models: text('vgg9,vgg16'), modes: text('train,infer'), batch: text('64'), timesteps: text('5'),
    activity: text('0.12'), threads: text('2'), rounds: text('3'), json: { type: 'boolean', default: false },
  },
});
if (!values.opponent) {
  console.error('Expected --opponent COMMAND; the first lines of this file say how');
  process.exit(2);
}

function lastLine(program, args) {
  const output = execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 });
  const rate = JSON.parse(output.trim().split('\n').at(-1)).imagesPerSecond;
  if (!(rate > 0)) throw new Error(`Expected a positive imagesPerSecond from ${program} but received ${rate}`);
  return rate;
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const { batch, timesteps, activity, threads } = values;

for (const model of values.models.split(','))
  for (const mode of values.modes.split(',')) {
    const settings = { model, mode, batch, timesteps, activity, threads };
    const [program, ...args] = values.opponent.trim().split(/\s+/).map((word) => word.replace(/\{(\w+)\}/g, (_, key) => settings[key] ?? `{${key}}`));
    const ours = [], theirs = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      ours.push(lastLine(process.execPath, [main, 'bench', '--json', ...Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value])]));
      theirs.push(lastLine(program, args));
    }
    const result = { ...settings, cpu: cpus()[0].model, rounds: ours.length, onespike: median(ours), opponent: median(theirs), ratio: median(ours) / median(theirs) };
    console.log(values.json ? JSON.stringify(result)
      : `${model} ${mode}: onespike ${result.onespike.toFixed(1)} img/s, opponent ${result.opponent.toFixed(1)} img/s, ratio ${result.ratio.toFixed(2)}`);
  }
