// The nodes of a NIR graph in the order of its chain, and their fields.
import { OneSpikeError } from '../../errors';
import { isGroup, type HdfArray, type HdfGroup } from '../../io/hdf5/values';

/** A node with its name and its fields. */
export class NirNode {
  constructor(
    readonly path: string,
    readonly name: string,
    private readonly group: HdfGroup,
  ) {}

  get type(): string {
    return this.text('type');
  }

  text(field: string): string {
    const [text] = this.array(field).data;
    if (typeof text !== 'string') throw this.damaged(`a text as '${field}'`, 'something else');
    return text;
  }

  subgroup(field: string): HdfGroup | undefined {
    const value = this.group.get(field);
    return isGroup(value) ? value : undefined;
  }

  array(field: string): HdfArray {
    const value = this.group.get(field);
    if (value === undefined || isGroup(value)) throw this.damaged(`a field '${field}'`, 'none');
    return value;
  }

  /** The floats of a field. */
  floats(field: string): { shape: number[]; data: Float32Array } {
    const { shape, data } = this.array(field);
    if (Array.isArray(data) && data.length > 0) throw this.damaged(`numbers as '${field}'`, 'texts');
    const floats = Float32Array.from(data as ArrayLike<number | bigint>, Number);
    const wrong = floats.findIndex((value) => !Number.isFinite(value));
    if (wrong >= 0) throw this.damaged(`finite numbers in '${field}'`, String(floats[wrong]));
    return { shape, data: floats };
  }

  /** The integers of a field, of which one counts for both sides. */
  pair(field: string): [number, number] {
    const numbers = [...this.floats(field).data];
    const [first, second = first] = numbers;
    if (first === undefined || numbers.length > 2 || !numbers.every(Number.isInteger))
      throw this.damaged(`one or two integers as '${field}'`, `[${numbers.slice(0, 4).join(', ')}]`);
    return [first, second!];
  }

  /** A number that all neurons have. */
  same(field: string): number {
    const { data } = this.floats(field);
    const [first] = data;
    if (first === undefined || data.some((value) => value !== first))
      throw this.damaged(`one ${field} for all neurons of a layer`, 'several');
    return first;
  }

  damaged(what: string, received: string): OneSpikeError {
    return new OneSpikeError(
      'ERR_FORMAT',
      `Expected ${what} for the node '${this.name}' of ${this.path} but received ${received}`,
    );
  }
}

/** The nodes from the input to the output. Errors: ERR_FORMAT for a graph that is no chain. */
export function chainOf(path: string, root: HdfGroup): { graph: NirNode; chain: NirNode[] } {
  const node = root.get('node');
  if (!isGroup(node))
    throw new OneSpikeError('ERR_FORMAT', `Expected a NIR graph in ${path} but received another HDF5 file`);
  const graph = new NirNode(path, 'node', node);
  if (graph.type !== 'NIRGraph') throw graph.damaged("the type 'NIRGraph'", `'${graph.type}'`);
  const nodes = graph.subgroup('nodes');
  if (nodes === undefined) throw graph.damaged('nodes', 'none');
  const { shape, data } = graph.array('edges');
  if (shape.length !== 2 || shape[1] !== 2 || data.some((name: unknown) => typeof name !== 'string'))
    throw graph.damaged('pairs of names as edges', `an array [${shape.join(', ')}]`);
  const names = data as readonly string[];
  const next = new Map<string, string>();
  for (let i = 0; i < names.length; i += 2) {
    const [from, to] = [names[i]!, names[i + 1]!];
    // The Python package may list an edge twice.
    if (next.get(from) === to) continue;
    if (next.has(from)) throw graph.damaged('one chain of nodes', `two edges from '${from}'`);
    next.set(from, to);
  }
  const make = (name: string): NirNode => {
    const group = nodes.get(name);
    if (!isGroup(group)) throw graph.damaged(`a node '${name}'`, 'none');
    return new NirNode(path, name, group);
  };
  const inputs = [...nodes.keys()].map(make).filter(({ type }) => type === 'Input');
  if (inputs.length !== 1) throw graph.damaged('one Input', String(inputs.length));
  const chain = [inputs[0]!];
  while (chain.length <= nodes.size) {
    const following = next.get(chain.at(-1)!.name);
    if (following === undefined) break;
    chain.push(make(following));
  }
  const last = chain.at(-1)!;
  if (last.type !== 'Output' || chain.length !== nodes.size)
    throw graph.damaged('one chain from Input to Output through all nodes', `one of ${chain.length} of ${nodes.size}`);
  return { graph, chain };
}
