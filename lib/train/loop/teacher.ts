// The teacher of a phase: the network whose logits its steps compare with.
import { isOneSpikeError, OneSpikeError } from '../../errors';
import { readMetadata } from '../../io/safetensors';
import { isFolder } from '../../io/status';
import type { ResolvedNetwork } from '../../model/description';
import { readModel, writeModel, type ModelFile } from '../../model/model-file';
import { Network, type DistillationOptions } from '../../model/network';
import { MODES } from '../../model/network/inputs';
import type { TrainConfig } from '../config/config';
import { PHASES, type Phase } from '../run/events';
import { loadRun, modelFile } from '../run/load-run';
import type { RunFolder } from '../run/run-folder';
import type { TrainState } from '../run/state';
import { networkOptions } from './model';

/** The file of a teacher that the configuration names, in the folder of the run. */
function copyOf(folder: RunFolder, phase: Phase): string {
  return folder.checkpoint(`${phase}-teacher.safetensors`);
}

/** The teachers that the configuration names. Errors: ERR_IO, ERR_FORMAT, ERR_STATE, as `modelFile`. */
async function* namedTeachers(config: TrainConfig): AsyncGenerator<{ phase: Phase; path: string; file: ModelFile }> {
  for (const phase of PHASES) {
    const { distillation, epochs } = config[phase];
    const { teacher: path, weight } = distillation;
    if (path !== undefined && weight > 0 && epochs > 0)
      yield { phase, path, file: await readTeacher(path, keyOf(phase)) };
  }
}

function keyOf(phase: Phase): string {
  return `${phase}.distillation.teacher`;
}

async function readTeacher(path: string, key: string): Promise<ModelFile> {
  try {
    return await readModel(await modelFile(path, key));
  } catch (error) {
    if (!isOneSpikeError(error) || error.message.includes(key)) throw error;
    throw new OneSpikeError(error.code, `Expected a network for ${key}: ${error.message}`, { cause: error });
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
      const [wanted, given] = [judged(student), judged(file.network)];
      throw new OneSpikeError(
        'ERR_SHAPE',
        `Expected a network for ${wanted} for ${keyOf(phase)} but received one for ${given}`,
      );
    }
}

/**
 * Copies the teachers that the configuration names into the folder of the run, so that it can be continued whatever
 * becomes of these files.
 */
export async function copyTeachers(config: TrainConfig, folder: RunFolder): Promise<void> {
  await folder.lead(async () => {
    for await (const { phase, path, file } of namedTeachers(config)) {
      const mode = file.extra['mode'] ?? ((await isFolder(path)) ? (await loadRun(path)).mode : 'ann');
      await writeModel(copyOf(folder, phase), file.network, file.tensors, { extra: { mode } });
    }
  });
}

/** Where the teacher of a phase is found: the parts of a session that say so. */
interface Place {
  config: TrainConfig;
  folder: RunFolder;
  state: TrainState;
}

/** The teachers of a run, of which one is open at a time. */
export class Teachers {
  #held: { phase: Phase; distillation: DistillationOptions | undefined } | undefined;

  /**
   * The teacher of a phase, opened when it is first asked for; undefined if the phase has none. Errors: ERR_IO,
   * ERR_FORMAT.
   */
  async of(phase: Phase, place: Place): Promise<DistillationOptions | undefined> {
    if (this.#held?.phase !== phase) {
      await this.dispose();
      this.#held = { phase, distillation: await openTeacher(phase, place) };
    }
    return this.#held.distillation;
  }

  async dispose(): Promise<void> {
    await this.#held?.distillation?.teacher.dispose();
    this.#held = undefined;
  }
}

/** The network that the configuration names, or the best ANN of the run. */
async function openTeacher(phase: Phase, { config, folder, state }: Place): Promise<DistillationOptions | undefined> {
  const { teacher: given, weight, temperature } = config[phase].distillation;
  if (weight === 0) return undefined;
  const own = state.best.ann?.file ?? 'ann-best.safetensors';
  const path = await folder.fetch(given === undefined ? folder.checkpoint(own) : copyOf(folder, phase));
  const { mode: saved } = await readMetadata(path);
  const mode = MODES.find((name) => name === saved) ?? 'ann';
  return { teacher: await Network.open(path, networkOptions(config)), mode, weight, temperature };
}
