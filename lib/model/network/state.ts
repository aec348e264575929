// Parameters and optimiser state of a native network, as maps of tensors. They cross the boundary in jobs of at most 1
// MiB: what a job copies on the JS thread is half a millisecond of the event loop, and several ms on a busy machine.
import { checkBoolean, checkOptions, checkString, didYouMean, expected } from '../../check';
import { OneSpikeError } from '../../errors';
import { SLOTS, type Counters, type NativeNetwork, type NativeTensorPart, type TensorKind } from '../../native/network';
import { derivedWeights } from '../genes/genes';
import { parameterFault, trainedNames, type FloatTensor } from '../parameters';
import { firstNonFinite, isZero, Pace } from '../scan';

/** The state of the optimiser: with the parameters, everything that a checkpoint needs. */
export interface OptimizerState {
  /**
   * The momentum (`slot0`) or the moments of Adam by name, `slot0.layers.I.weight` and so on, and the average of the
   * parameters (`average.layers.I.weight`); a tensor that is all zero is left out.
   */
  slots: Map<string, FloatTensor>;
  /** The counters of the network. */
  counters: Counters;
}

export interface TensorShape {
  readonly name: string;
  readonly shape: readonly number[];
  readonly size: number;
}

/** A tensor of the network by kind and name, and the array that it is copied into or from. */
interface Values {
  kind: TensorKind;
  name: string;
  data: Float32Array;
}

const NUMBERS_PER_JOB = 2 ** 18;

export function tensorShapes(network: NativeNetwork): TensorShape[] {
  return network
    .tensors()
    .map(({ name, shape }) => ({ name, shape, size: shape.reduce((product, side) => product * side, 1) }));
}

/** The tensors of a kind: all have an average, those that are trained state of the optimiser. */
function tensorsOf(slot: TensorKind, tensors: readonly TensorShape[]): readonly TensorShape[] {
  return slot === 'average' ? tensors : trainedTensors(tensors);
}

/** The tensors that have a gradient. */
export function trainedTensors(tensors: readonly TensorShape[]): TensorShape[] {
  const trained = trainedNames(tensors.map(({ name }) => name));
  return tensors.filter(({ name }) => trained.has(name));
}

/**
 * One kind of all tensors, copied out, in the order of the layers. An array is made when its job begins: all those of
 * VGG-16 at once take 10 to 25 ms of the event loop, because new memory is zeroed.
 */
export async function readTensors(
  network: NativeNetwork,
  kind: TensorKind,
  tensors: readonly TensorShape[],
): Promise<Map<string, FloatTensor>> {
  const read = new Map<string, FloatTensor>();
  function* values(): Generator<Values> {
    for (const { name, shape, size } of tensors) {
      const data = newArray(size, name);
      read.set(name, { shape: [...shape], data });
      yield { kind, name, data };
    }
  }
  for (const parts of jobsOf(values())) await network.read(parts);
  return read;
}

/**
 * Checks the options, and returns the job that reads all parameters, or their averages. Errors: ERR_ARG; the job's:
 * ERR_STATE.
 */
export function readParametersJob(
  network: NativeNetwork,
  tensors: readonly TensorShape[],
  options: unknown,
): () => Promise<Map<string, FloatTensor>> {
  const { averaged = false, names } = checkOptions(options, 'options', ['averaged', 'names']);
  const wanted = names === undefined ? tensors : named(tensors, names);
  const kind = checkBoolean(averaged, 'averaged') ? 'average' : 'parameter';
  return async () => {
    if (kind === 'average' && !network.slots().includes(kind))
      throw new OneSpikeError('ERR_STATE', 'Expected an average of the parameters but no training step has taken one');
    return readTensors(network, kind, wanted);
  };
}

/** The tensors of these names. Errors: ERR_ARG for a name that the network does not have. */
function named(tensors: readonly TensorShape[], names: unknown): readonly TensorShape[] {
  if (!Array.isArray(names)) throw expected('a list of names of tensors', 'names', names);
  return Array.from(names, (name: unknown, i) => findTensor(checkString(name, `names[${i}]`), tensors));
}

/**
 * Checks names, sizes, thresholds and leaks of parameters, and returns the job that writes them: all that are given, or
 * none if one of their numbers is not finite. Errors: ERR_ARG, ERR_SHAPE.
 */
export function writeParametersJob(
  network: NativeNetwork,
  tensors: readonly TensorShape[],
  given: readonly [string, Float32Array][],
): () => Promise<void> {
  checkDerived(tensors, new Map(given));
  const values = given.map(([name, data]) => {
    checkSize(name, data, findTensor(name, tensors));
    const fault = parameterFault(name, data);
    if (fault !== undefined) throw expected(fault.what, fault.name, fault.value);
    return { kind: 'parameter' as const, name, data };
  });
  return async () => {
    await checkFinite(values.map(({ name, data }) => [name, data]));
    await writeValues(network, values);
  };
}

/**
 * Weights that follow from genes may be among the tensors of a whole network, whose genes are there as well and decide.
 * Errors: ERR_ARG for such weights without their genes, which would have no effect.
 */
function checkDerived(tensors: readonly TensorShape[], given: ReadonlyMap<string, Float32Array>): void {
  for (const weight of derivedWeights(tensors.map(({ name }) => name))) {
    const scale = weight.replace('.weight', '.gene_scale');
    if (given.has(weight) && !given.has(scale))
      throw new OneSpikeError(
        'ERR_ARG',
        `Expected no ${weight} without ${scale} and the other genes, from which it follows, but received it`,
      );
  }
}

/** Writes tensors that have been checked. */
export async function writeValues(network: NativeNetwork, values: readonly Values[]): Promise<void> {
  for (const parts of jobsOf(values)) await network.write(parts);
}

export async function readOptimizerState(
  network: NativeNetwork,
  tensors: readonly TensorShape[],
): Promise<OptimizerState> {
  const slots = new Map<string, FloatTensor>();
  const pace = new Pace();
  for (const slot of network.slots()) {
    for (const [name, tensor] of await readTensors(network, slot, tensorsOf(slot, tensors))) {
      if (!(await isZero(tensor.data, pace))) slots.set(`${slot}.${name}`, tensor);
    }
  }
  return { slots, counters: network.counters() };
}

/** As `writeParametersJob`, for the whole state of the optimiser: a slot that is not given becomes zero. */
export function writeOptimizerStateJob(
  network: NativeNetwork,
  tensors: readonly TensorShape[],
  slots: readonly [string, Float32Array][],
  counters: Counters,
): () => Promise<void> {
  const values = slots.map(([key, data]) => {
    const kind = SLOTS.find((candidate) => key.startsWith(`${candidate}.`));
    if (kind === undefined) throw expected(`a name that begins with ${SLOTS.join(', ')}`, 'slots', key);
    const name = key.slice(kind.length + 1);
    checkSize(key, data, findTensor(name, tensorsOf(kind, tensors)));
    return { kind, name, data };
  });
  return async () => {
    await checkFinite(slots);
    await network.resetOptimizer();
    await writeValues(network, values);
    network.setCounters(counters);
  };
}

/** The parts of tensors, collected into as few jobs as carry them. */
function* jobsOf(values: Iterable<Values>): Generator<NativeTensorPart[]> {
  let parts: NativeTensorPart[] = [];
  let left = NUMBERS_PER_JOB;
  for (const { kind, name, data } of values) {
    for (let offset = 0; offset < data.length; ) {
      const part = data.subarray(offset, offset + left);
      parts.push({ kind, name, offset, data: part });
      offset += part.length;
      left -= part.length;
      if (left > 0) continue;
      yield parts;
      parts = [];
      left = NUMBERS_PER_JOB;
    }
  }
  if (parts.length > 0) yield parts;
}

function newArray(size: number, name: string): Float32Array {
  try {
    return new Float32Array(size);
  } catch (cause) {
    throw new OneSpikeError('ERR_OOM', `Expected memory for the ${size} numbers of ${name} but received none`, {
      cause,
    });
  }
}

export function findTensor(name: string, tensors: readonly TensorShape[]): TensorShape {
  const found = tensors.find((tensor) => tensor.name === name);
  if (found !== undefined) return found;
  const hint = didYouMean(
    name,
    tensors.map((tensor) => tensor.name),
  );
  throw new OneSpikeError('ERR_ARG', `Expected the name of a tensor of this network but received '${name}'${hint}`);
}

export function checkSize(name: string, data: Float32Array, tensor: TensorShape): void {
  if (data.length === tensor.size) return;
  const shape = `[${tensor.shape.join(', ')}]`;
  throw new OneSpikeError(
    'ERR_SHAPE',
    `Expected ${tensor.size} elements ${shape} for ${name} but received ${data.length}`,
  );
}

export async function checkFinite(tensors: readonly (readonly [string, Float32Array])[]): Promise<void> {
  const pace = new Pace();
  for (const [name, data] of tensors) {
    const wrong = await firstNonFinite(data, pace);
    if (wrong >= 0) throw expected('finite numbers', `${name}[${wrong}]`, data[wrong]);
  }
}
