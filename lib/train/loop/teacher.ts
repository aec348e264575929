/** The teacher of a phase: the network whose logits its steps compare with. */
import { expected } from '../../check';
import { isFolder } from '../../io/status';
import type { ResolvedNetwork } from '../../model/description';
import { readModel, writeModel, type ModelFile } from '../../model/model-file';
import { Network, type DistillationOptions, type NetworkOptions } from '../../model/network';
import { MODES } from '../../model/network/inputs';
import type { TrainConfig } from '../config/config';
import type { Phase } from '../run/events';
import { loadRun, modelFile } from '../run/load-run';
import type { RunFolder } from '../run/run-folder';
import type { TrainState } from '../run/state';

/** The phases that may have a teacher. */
export const TAUGHT = ['binary', 'snn'] as const satisfies readonly Phase[];
type Taught = (typeof TAUGHT)[number];

export function isTaught(phase: Phase): phase is Taught {
  return (TAUGHT as readonly Phase[]).includes(phase);
}

/** The file of a teacher that the configuration names, in the folder of the run. */
function copyOf(folder: RunFolder, phase: Taught): string {
  return folder.checkpoint(`${phase}-teacher.safetensors`);
}

/** The teachers that the configuration names. Errors: ERR_IO, ERR_FORMAT, ERR_STATE, as `modelFile`. */
async function* namedTeachers({
  binary,
  snn,
}: TrainConfig): AsyncGenerator<{ phase: Taught; path: string; file: ModelFile }> {
  for (const [phase, { distillation, epochs }] of Object.entries({ binary, snn }) as [Taught, TrainConfig[Taught]][]) {
    const { teacher: path, weight } = distillation;
    if (path !== undefined && weight > 0 && epochs > 0)
      yield { phase, path, file: await readModel(await modelFile(path)) };
  }
}

/**
 * Checks that named teachers can be read and judge the images of `student`. Errors: ERR_SHAPE; ERR_IO, ERR_FORMAT,
 * ERR_STATE, as `modelFile`.
 */
export async function checkTeachers(config: TrainConfig, student: ResolvedNetwork): Promise<void> {
  const judged = ({ input, layers }: ResolvedNetwork): string =>
    `images of ${input.join(' x ')} and ${layers.at(-1)!.out} classes`;
  for await (const { phase, file } of namedTeachers(config))
    if (judged(file.network) !== judged(student)) {
      const what = `a network for ${judged(student)}`;
      throw expected(what, `${phase}.distillation.teacher`, `one for ${judged(file.network)}`, 'ERR_SHAPE');
    }
}

/**
 * Copies the teachers that the configuration names into the folder of the run, so that it can be continued whatever
 * becomes of these files.
 */
export async function copyTeachers(config: TrainConfig, folder: RunFolder): Promise<void> {
  for await (const { phase, path, file } of namedTeachers(config)) {
    const mode = file.extra['mode'] ?? ((await isFolder(path)) ? (await loadRun(path)).mode : 'ann');
    await writeModel(copyOf(folder, phase), file.network, file.tensors, { extra: { mode } });
  }
}

/**
 * Opens the teacher of a phase: the network that the configuration names, or the best ANN of the run. Null if the phase
 * has none. The caller disposes of it. Errors: ERR_IO, ERR_FORMAT.
 */
export async function openTeacher(
  phase: Phase,
  { config, folder, state }: { config: TrainConfig; folder: RunFolder; state: TrainState },
  options: NetworkOptions,
): Promise<DistillationOptions | null> {
  if (!isTaught(phase)) return null;
  const { teacher: given, weight, temperature } = config[phase].distillation;
  if (weight === 0) return null;
  const own = state.best.ann?.file ?? 'ann-best.safetensors';
  const path = given === undefined ? folder.checkpoint(own) : copyOf(folder, phase);
  const { extra } = await readModel(path);
  const mode = MODES.find((name) => name === extra['mode']) ?? 'ann';
  return { teacher: await Network.open(path, options), mode, weight, temperature };
}
