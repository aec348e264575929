// The spiking network as a graph, unrolled over its steps (docs/MATHEMATICS.md, "The neuron" and "Readout and loss").
import { initialPotential } from '../../model/description';
import { layerName } from '../../model/layer';
import { stepTables } from './encoding';
import type { GraphBuilder, LayerOf } from './graph';

/** Adds the spiking network. Errors: ERR_ARG for an encoder that draws at random. */
export function addSnn(builder: GraphBuilder): void {
  let steps = addInput(builder);
  for (const [index, layer] of builder.network.layers.entries()) {
    if (layer.type === 'avgpool')
      steps = once(steps, (input, t) => builder.pool(`${layerName(index)}.t${t}`, index, input));
    else if (layer.output) addReadout(builder, index, addPotentials(builder, index, layer, steps));
    else steps = addSpikes(builder, index, addPotentials(builder, index, layer, steps));
  }
}

/** What depends on its input alone, once for the steps that have the same. Steps are counted from 1. */
function once(steps: readonly string[], make: (input: string, t: number) => string): string[] {
  const known = new Map<string, string>();
  return steps.map((input, i) => {
    const made = known.get(input) ?? make(input, i + 1);
    known.set(input, made);
    return made;
  });
}

/** What the first layer receives at each step: a value for every byte, from a table. */
function addInput(builder: GraphBuilder): string[] {
  const bytes = builder.cast('pixels.byte', 'pixels', 'int32');
  const channels = builder.network.input[0];
  const tables = stepTables(builder.network);
  let places: string | undefined;
  return tables.map((table, i) => {
    const first = tables.indexOf(table);
    if (first < i) return `input.t${first + 1}`;
    if (table.perChannel && places === undefined) {
      // The tables of the channels follow one another. Integers are not among the constants, so floats find the place.
      const offsets = builder.constant(
        'pixels.offsets',
        Array.from({ length: channels }, (_, c) => 256 * c),
        [channels, 1, 1],
      );
      const place = builder.add('pixels.place.float', 'Add', [
        builder.cast('pixels.float', 'pixels', 'float'),
        offsets,
      ]);
      places = builder.cast('pixels.place', place, 'int32');
    }
    const values = builder.constant(`input.t${i + 1}.table`, table.values);
    return builder.add(`input.t${i + 1}`, 'Gather', [values, table.perChannel ? places! : bytes], { axis: 0 });
  });
}

/** U(1) to U(T) of a layer. What is left of U(0) in U(1) is one number. */
function addPotentials(builder: GraphBuilder, index: number, layer: LayerOf, inputs: readonly string[]): string[] {
  const name = layerName(index);
  const { schedules } = builder.network;
  const products = once(inputs, (input, t) => builder.product(`${name}.t${t}.product`, index, input, !schedules));
  const currents = schedules ? addScheduled(builder, index, layer, products) : products;
  const leak = builder.parameter(index, 'leak').data[0]!;
  const left = leak * initialPotential(builder.network, index, builder.parameter(index, 'threshold').data[0]!);
  let before: string | undefined;
  return currents.map((current, i) => {
    const potential = `${name}.t${i + 1}.potential`;
    if (before === undefined && left !== 0)
      before = builder.add(potential, 'Add', [current, builder.scalar(`${name}.begins`, left)]);
    else if (before === undefined || leak === 0) before = current;
    else {
      const kept =
        leak === 1 ? before : builder.add(`${potential}.left`, 'Mul', [before, builder.scalar(`${name}.leak`, leak)]);
      before = builder.add(potential, 'Add', [kept, current]);
    }
    return before;
  });
}

/** Products with the weight of their step, and then the bias, which has none. */
function addScheduled(builder: GraphBuilder, index: number, layer: LayerOf, products: readonly string[]): string[] {
  const name = layerName(index);
  const kappa = builder.parameter(index, 'kappa').data;
  return products.map((product, i) => {
    const scaled = builder.add(`${name}.t${i + 1}.scaled`, 'Mul', [
      product,
      builder.scalar(`${name}.t${i + 1}.kappa`, kappa[i]!),
    ]);
    if (!layer.bias) return scaled;
    const shape = layer.type === 'conv' ? [layer.out, 1, 1] : [layer.out];
    return builder.add(`${name}.t${i + 1}.current`, 'Add', [scaled, builder.weights(index, 'bias', shape)]);
  });
}

/** Whether each potential is above the threshold of its step. */
function addCrossings(builder: GraphBuilder, index: number, potentials: readonly string[]): string[] {
  const name = layerName(index);
  const threshold = builder.parameter(index, 'threshold').data[0]!;
  const theta = builder.network.schedules ? builder.parameter(index, 'theta').data : undefined;
  return potentials.map((potential, i) => {
    const value = theta === undefined ? threshold : threshold * theta[i]!;
    const constant = builder.scalar(theta === undefined ? `${name}.threshold` : `${name}.t${i + 1}.threshold`, value);
    return builder.add(`${name}.t${i + 1}.above`, 'Greater', [potential, constant]);
  });
}

/** The spikes of every step: a neuron that was above its threshold before stays silent. */
function addSpikes(builder: GraphBuilder, index: number, potentials: readonly string[]): string[] {
  const name = layerName(index);
  let silent: string | undefined;
  return addCrossings(builder, index, potentials).map((above, i, all) => {
    const step = `${name}.t${i + 1}`;
    const spike = silent === undefined ? above : builder.add(`${step}.fires`, 'And', [above, silent]);
    if (i + 1 < all.length) {
      const below = builder.add(`${step}.below`, 'Not', [above]);
      silent = silent === undefined ? below : builder.add(`${step}.silent`, 'And', [silent, below]);
    }
    return builder.cast(step, spike, 'float');
  });
}

/** The logits, alpha U(T) / V + beta (T + 1 - t_k): the second term counts the steps from the spike time to T. */
function addReadout(builder: GraphBuilder, index: number, potentials: readonly string[]): void {
  const name = layerName(index);
  const { alpha, beta } = builder.network;
  const threshold = builder.scalar(`${name}.height`, builder.parameter(index, 'threshold').data[0]!);
  const weighed = builder.add(`${name}.weighed`, 'Mul', [potentials.at(-1)!, builder.scalar(`${name}.alpha`, alpha)]);
  if (beta === 0) {
    builder.add('logits', 'Div', [weighed, threshold]);
    return;
  }
  const term = builder.add(`${name}.term`, 'Div', [weighed, threshold]);
  let fired: string | undefined;
  const counted = addCrossings(builder, index, potentials).map((above, i) => {
    const step = `${name}.t${i + 1}`;
    fired = fired === undefined ? above : builder.add(`${step}.fired`, 'Or', [fired, above]);
    return builder.cast(step, fired, 'float');
  });
  const count = builder.add(`${name}.count`, 'Sum', counted);
  const early = builder.add(`${name}.early`, 'Mul', [count, builder.scalar(`${name}.beta`, beta)]);
  builder.add('logits', 'Add', [term, early]);
}
