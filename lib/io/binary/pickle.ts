// Python pickles, read without Python: a machine with a closed list of operations. Nothing that a pickle names is
// looked up, imported or called. What a name means is in a table of the caller, and every other name is an error.
import { isUtf8 } from 'node:buffer';
import { describeValue } from '../../check';
import type { OneSpikeError } from '../../errors';

/** The error of the operation in progress: what was expected, and the value that came. */
export type PickleFault = (what: string, received: unknown) => OneSpikeError;

/** A name of Python that the caller knows. */
export interface PickleGlobal {
  /** `module.name`. */
  readonly name: string;
  /** What calling it gives; undefined if it is never called. */
  call?: (args: readonly unknown[], fault: PickleFault) => unknown;
  /** What setting the state of what was called does; undefined if it has none. */
  setState?: (object: unknown, state: unknown, fault: PickleFault) => void;
}

/** A tuple; lists are arrays, dictionaries maps, bytes `Uint8Array` and integers beyond 2^53 `bigint`. */
export class PickleTuple {
  constructor(readonly items: readonly unknown[]) {}
}

export interface PickleOptions {
  /** The names that may occur, `module.name`. */
  globals: ReadonlyMap<string, PickleGlobal>;
  /** What stands for an object outside of the pickle. */
  persistent?: (id: unknown, fault: PickleFault) => unknown;
  /** The error at a position of the pickle. */
  damaged: (at: number, what: string, received: string) => OneSpikeError;
  /** What to do about a name that is not known, as the end of a sentence. */
  advice?: string;
}

/** Operations of one pickle: a state dict takes some 40 for a tensor. It bounds time and memory. */
const MAX_OPERATIONS = 2 ** 20;

/**
 * What a pickle holds. Errors: those of `damaged`, for any operation or name that is not in the lists, and what is cut
 * off.
 */
export function unpickle(bytes: Uint8Array, options: PickleOptions): unknown {
  return new Machine(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), options).run();
}

const MARK = Symbol('mark');

class Machine {
  readonly #bytes: Buffer;
  readonly #options: PickleOptions;
  readonly #stack: unknown[] = [];
  readonly #memo = new Map<number, unknown>();
  /** The objects that a global with a state gave. */
  readonly #stateful = new Map<unknown, PickleGlobal>();
  #at = 0;
  /** Where the operation in progress began. */
  #from = 0;

  constructor(bytes: Buffer, options: PickleOptions) {
    this.#bytes = bytes;
    this.#options = options;
  }

  run(): unknown {
    for (let count = 0; count < MAX_OPERATIONS; count++) {
      this.#from = this.#at;
      const code = this.#take(1)[0]!;
      if (code === 0x2e) return this.#pop(); // STOP
      const operation = OPERATIONS[code];
      if (operation === undefined)
        throw this.#fault('an operation of the list', `0x${code.toString(16).padStart(2, '0')}`);
      operation(this.#hands);
    }
    throw this.#fault(`at most ${MAX_OPERATIONS} operations`, 'more');
  }

  /** What operations may do. */
  readonly #hands: Hands = {
    bytes: (length) => this.#take(length),
    line: () => {
      const end = this.#bytes.indexOf(0x0a, this.#at);
      if (end < 0) throw this.#fault('a line', 'the end of the pickle');
      const text = this.#bytes.toString('utf8', this.#at, end);
      this.#at = end + 1;
      return text;
    },
    frame: (length) => {
      if (length > this.#bytes.length - this.#at) throw this.#fault(`${length} more bytes`, 'the end of the pickle');
    },
    push: (value) => void this.#stack.push(value),
    pop: () => this.#pop(),
    top: () => {
      const value = this.#pop();
      this.#stack.push(value);
      return value;
    },
    toMark: () => {
      const mark = this.#stack.lastIndexOf(MARK);
      if (mark < 0) throw this.#fault('a mark on the stack', 'none');
      return this.#stack.splice(mark).slice(1);
    },
    mark: () => void this.#stack.push(MARK),
    put: (index, value) => void this.#memo.set(index, value),
    memoize: (value) => void this.#memo.set(this.#memo.size, value),
    get: (index) => {
      if (!this.#memo.has(index)) throw this.#fault('something remembered', `number ${index}, which is not`);
      return this.#memo.get(index);
    },
    global: (module, name) => this.#global(`${module}.${name}`),
    call: (callee, args) => this.#call(callee, args),
    setState: (object, state) => {
      const global = this.#stateful.get(object);
      // Attributes of a dictionary (`_metadata` of a state dict) are nothing that is needed.
      if (global === undefined && !(object instanceof Map))
        throw this.#fault('an object with a state', describeValue(object));
      global?.setState?.(object, state, this.#describe);
    },
    persistent: (id) => {
      if (this.#options.persistent === undefined) throw this.#fault('no reference to another file', 'one');
      return this.#options.persistent(id, this.#describe);
    },
    fault: (what, value) => this.#describe(what, value),
  };

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw this.#fault(`${length} more bytes`, 'the end of the pickle');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  #pop(): unknown {
    if (this.#stack.length === 0) throw this.#fault('a value on the stack', 'none');
    const value = this.#stack.pop();
    if (value === MARK) throw this.#fault('a value on the stack', 'a mark');
    return value;
  }

  #global(name: string): PickleGlobal {
    const global = this.#options.globals.get(name);
    if (global !== undefined) return global;
    const short = name.length > 80 ? `${name.slice(0, 80)}…` : name;
    throw this.#fault('names of the list', `'${short}', which was not called${this.#options.advice ?? ''}`);
  }

  #call(callee: unknown, args: unknown): unknown {
    const global = [...this.#options.globals.values()].find((known) => known === callee);
    if (global?.call === undefined) throw this.#fault('a function of the list', global?.name ?? describeValue(callee));
    if (!(args instanceof PickleTuple))
      throw this.#fault(`a tuple of arguments of ${global.name}`, describeValue(args));
    const result = global.call(args.items, this.#describe);
    if (global.setState !== undefined) this.#stateful.set(result, global);
    return result;
  }

  readonly #describe: PickleFault = (what, value) =>
    this.#fault(what, typeof value === 'string' ? value : describeValue(value));

  #fault(what: string, received: string): OneSpikeError {
    return this.#options.damaged(this.#from, what, received);
  }
}

interface Hands {
  bytes(length: number): Buffer;
  line(): string;
  /** Begins a part of so many bytes. */
  frame(length: number): void;
  push(value: unknown): void;
  pop(): unknown;
  top(): unknown;
  mark(): void;
  toMark(): unknown[];
  put(index: number, value: unknown): void;
  memoize(value: unknown): void;
  get(index: number): unknown;
  global(module: string, name: string): PickleGlobal;
  call(callee: unknown, args: unknown): unknown;
  setState(object: unknown, state: unknown): void;
  persistent(id: unknown): unknown;
  fault: PickleFault;
}

type Operation = (hands: Hands) => void;

const u8 = (hands: Hands): number => hands.bytes(1)[0]!;
const u32 = (hands: Hands): number => hands.bytes(4).readUInt32LE(0);
const u64 = (hands: Hands): number => {
  const value = hands.bytes(8).readBigUInt64LE(0);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw hands.fault('a length below 2^53', String(value));
  return Number(value);
};
const constant =
  (value: unknown): Operation =>
  (hands) =>
    hands.push(value);
const utf8 =
  (length: (hands: Hands) => number): Operation =>
  (hands) => {
    const bytes = hands.bytes(length(hands));
    if (!isUtf8(bytes)) throw hands.fault('a text in UTF-8', 'other bytes');
    hands.push(bytes.toString('utf8'));
  };
/** The strings of Python 2, whose bytes are the characters of Latin 1. */
const latin1 =
  (length: (hands: Hands) => number): Operation =>
  (hands) =>
    hands.push(hands.bytes(length(hands)).toString('latin1'));
const raw =
  (length: (hands: Hands) => number): Operation =>
  (hands) =>
    hands.push(Uint8Array.from(hands.bytes(length(hands))));
const tuple =
  (count: number): Operation =>
  (hands) =>
    hands.push(new PickleTuple(Array.from({ length: count }, () => hands.pop()).reverse()));

function append(hands: Hands, items: unknown[]): void {
  const list = hands.top();
  if (!Array.isArray(list)) throw hands.fault('a list', list);
  for (const item of items) list.push(item);
}

function setItems(hands: Hands, items: unknown[]): void {
  const dictionary = hands.top();
  if (!(dictionary instanceof Map)) throw hands.fault('a dictionary', dictionary);
  if (items.length % 2 !== 0) throw hands.fault('a value for every key', `${items.length} of both`);
  for (let i = 0; i < items.length; i += 2) dictionary.set(items[i], items[i + 1]);
}

/** An integer of any length, its lowest byte first, in two's complement. */
function long(hands: Hands): number | bigint {
  const bytes = hands.bytes(u8(hands));
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  value = BigInt.asIntN(8 * bytes.length, value);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function twice(hands: Hands, work: (first: unknown, second: unknown) => void): void {
  const second = hands.pop();
  work(hands.pop(), second);
}

/**
 * The operations by their codes (CPython, Lib/pickletools.py). What is missing names classes, sets, or text of protocol
 * 0.
 */
const OPERATIONS: Readonly<Record<number, Operation>> = {
  128: (hands) => {
    const version = u8(hands);
    if (version < 2 || version > 5) throw hands.fault('protocol 2 to 5', String(version));
  },
  149: (hands) => hands.frame(u64(hands)),
  40: (hands) => hands.mark(),
  78: constant(null),
  136: constant(true),
  137: constant(false),
  74: (hands) => hands.push(hands.bytes(4).readInt32LE(0)),
  75: (hands) => hands.push(u8(hands)),
  77: (hands) => hands.push(hands.bytes(2).readUInt16LE(0)),
  138: (hands) => hands.push(long(hands)),
  71: (hands) => hands.push(hands.bytes(8).readDoubleBE(0)),
  88: utf8(u32),
  140: utf8(u8),
  141: utf8(u64),
  84: latin1(u32),
  85: latin1(u8),
  66: raw(u32),
  67: raw(u8),
  142: raw(u64),
  150: raw(u64), // a bytearray
  41: tuple(0),
  133: tuple(1),
  134: tuple(2),
  135: tuple(3),
  116: (hands) => hands.push(new PickleTuple(hands.toMark())),
  93: (hands) => hands.push([]),
  108: (hands) => hands.push(hands.toMark()),
  97: (hands) => append(hands, [hands.pop()]),
  101: (hands) => append(hands, hands.toMark()),
  125: (hands) => hands.push(new Map()),
  115: (hands) => twice(hands, (key, value) => setItems(hands, [key, value])),
  117: (hands) => setItems(hands, hands.toMark()),
  113: (hands) => hands.put(u8(hands), hands.top()),
  114: (hands) => hands.put(u32(hands), hands.top()),
  148: (hands) => hands.memoize(hands.top()),
  104: (hands) => hands.push(hands.get(u8(hands))),
  106: (hands) => hands.push(hands.get(u32(hands))),
  99: (hands) => hands.push(hands.global(hands.line(), hands.line())),
  147: (hands) =>
    twice(hands, (module, name) => {
      if (typeof module !== 'string' || typeof name !== 'string') throw hands.fault('two texts as a name', name);
      hands.push(hands.global(module, name));
    }),
  82: (hands) => twice(hands, (callee, args) => hands.push(hands.call(callee, args))),
  98: (hands) => {
    const state = hands.pop();
    hands.setState(hands.top(), state);
  },
  81: (hands) => hands.push(hands.persistent(hands.pop())),
};
