// 400 damaged files of other programs, and some that were made to do harm: an error with a code or, where only a number
// changed, a network; no crash, no hang, and no more memory than the file backs.
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importModel } from '../../lib/exchange';
import { encodeModel } from '../../lib/exchange/onnx/write';
import { bytesField, integerField, textField } from '../../lib/io/binary/protobuf';
import { SeededRandom } from '../../lib/data/random';
import { temporaryFolder } from '../helpers/command-line';
import { zipOf } from './archive';
import { fileOf } from './helpers';

const folder = temporaryFolder();
const perFile = 40;

type Mutation = (bytes: Buffer, random: SeededRandom) => Buffer;
const changed = (bytes: Buffer, change: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
};
const mutations: Mutation[] = [
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  (bytes, random) =>
    changed(bytes, (copy) => {
      copy[random.below(copy.length)]! ^= 1 << random.below(8);
    }),
  // A length of the largest size, wherever it lies.
  (bytes, random) => changed(bytes, (copy) => void copy.fill(0xff, random.below(copy.length))),
  (bytes, random) =>
    changed(bytes, (copy) => {
      const at = random.below(copy.length - 8);
      copy.fill(0xff, at, at + 4 + random.below(5));
    }),
  (bytes, random) => {
    const at = random.below(bytes.length - 8);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(7))]);
  },
  (bytes, random) => Buffer.from(bytes.map((byte) => (random.below(50) === 0 ? random.below(256) : byte))),
  (bytes, random) => Buffer.concat([bytes, Buffer.alloc(1 + random.below(2000), random.below(256))]),
];

/** The outcome of a file: 'read', or the code of the error. Anything but an error of what is in the file fails. */
async function outcome(path: string): Promise<string> {
  try {
    const { tensors } = await importModel(path, { input: [3, 8, 8] });
    for (const { data } of tensors.values()) expect(data.every(Number.isFinite)).toBe(true);
    return 'read';
  } catch (error) {
    const { code, message, cause } = error as { code: string; message: string; cause?: { code?: string } };
    // An index may come to name a file that is not there.
    const absent = code === 'ERR_IO' && cause?.code === 'ENOENT';
    if (!absent && !['ERR_FORMAT', 'ERR_SHAPE', 'ERR_ARG'].includes(code)) throw error;
    expect(message.length).toBeLessThan(2000);
    return code;
  }
}

const files = [
  'vgg.pth',
  'views.pt',
  'checkpoint.pth',
  'float8.pt',
  'half.safetensors',
  'model.safetensors.index.json',
  'vgg.onnx',
  'other.onnx',
  'dense.nir',
  'plain.nir',
];

test.each(files)('%s, damaged in forty ways', async (name) => {
  const random = new SeededRandom(1 + files.indexOf(name));
  const good = readFileSync(fileOf(name));
  for (const part of ['1', '2'])
    copyFileSync(
      fileOf(`model-0000${part}-of-00002.safetensors`),
      join(folder, `model-0000${part}-of-00002.safetensors`),
    );
  const before = process.memoryUsage();
  const outcomes: string[] = [];
  for (let i = 0; i < perFile; i++) {
    const path = join(folder, name);
    writeFileSync(path, mutations[i % mutations.length]!(good, random));
    outcomes.push(await outcome(path));
  }
  const { arrayBuffers } = process.memoryUsage();
  expect(arrayBuffers - before.arrayBuffers).toBeLessThan(64 * 2 ** 20);
  // Most damage shows; what does not is a number that became another.
  expect(outcomes.filter((result) => result !== 'read').length).toBeGreaterThan(perFile / 3);
});

const protocol = Buffer.from([0x80, 2]);
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const text = (value: string): Buffer =>
  Buffer.concat([Buffer.from('X'), u32(Buffer.byteLength(value)), Buffer.from(value)]);
const integer = (value: number): Buffer => Buffer.concat([Buffer.from('J'), u32(value)]);
const name = (module: string, member: string): Buffer => Buffer.from(`c${module}\n${member}\n`);
const latin = (value: string): Buffer => Buffer.from(value, 'latin1');
const tuple = (values: readonly number[]): Buffer => Buffer.concat([latin('('), ...values.map(integer), latin('t')]);
/** A tensor of a storage of eight floats, as the pickles of torch.save have it. */
const tensor = (shape: number[], strides: number[], offset = 0, count = 8): Buffer =>
  Buffer.concat([
    ...[name('torch._utils', '_rebuild_tensor_v2'), latin('(('), text('storage'), name('torch', 'FloatStorage')],
    ...[text('0'), text('cpu'), integer(count), latin('tQ')],
    ...[integer(offset), tuple(shape), tuple(strides), latin('\x89}tR')],
  ]);
const dictionary = (...items: Buffer[]): Buffer =>
  Buffer.concat([protocol, Buffer.from('}('), ...items, Buffer.from('u.')]);

const pickles: [string, Buffer, string][] = [
  ['a text of 4 GiB', Buffer.concat([protocol, latin('X'), u32(0xffffffff)]), '4294967295 more bytes'],
  ['bytes of 2^63', Buffer.concat([protocol, latin('\x8e\xff\xff\xff\xff\xff\xff\xff\x7f')]), 'a length below 2^53'],
  ['a million dictionaries', Buffer.concat([protocol, Buffer.alloc(2 ** 20, '}')]), 'at most 1048576 operations'],
  [
    'tuples in tuples',
    Buffer.concat([protocol, latin(')'), Buffer.alloc(900_000, 0x85), latin('.')]),
    'a dictionary of tensors',
  ],
  ['a list that holds itself', Buffer.concat([protocol, latin(']q\0h\0a.')]), 'a dictionary of tensors'],
  [
    'a dictionary with itself as key',
    Buffer.concat([protocol, latin('}q\0h\0h\0s.')]),
    'a dictionary of an instance of Map',
  ],
  ['a text that is no UTF-8', Buffer.concat([protocol, latin('X'), u32(1), latin('\xff.')]), 'a text in UTF-8'],
  ['a part that is longer than the rest', latin('\x80\x04\x95\0\x01\0\0\0\0\0\0}.'), '256 more bytes'],
  ['a value that is thrown away', latin('\x80\x02}N0.'), '0x30'],
  ['nothing remembered', Buffer.concat([protocol, latin('j'), u32(7)]), 'something remembered'],
  ['an empty stack', Buffer.concat([protocol, latin('.')]), 'a value on the stack'],
  ['no mark', Buffer.concat([protocol, latin('}u.')]), 'a mark on the stack'],
  ['protocol 0', latin("S'a'\n."), 'an operation of the list'],
  ['an instance of a class', Buffer.concat([protocol, name('collections', 'OrderedDict'), latin(')\x81.')]), '0x81'],
  [
    'a call of a type',
    Buffer.concat([protocol, name('torch', 'FloatStorage'), latin(')R.')]),
    'a function of the list',
  ],
  ['a call of a text', Buffer.concat([protocol, text('os.system'), latin(')R.')]), 'a function of the list'],
  ['eval', Buffer.concat([protocol, name('builtins', 'eval'), latin('('), text('1'), latin('tR.')]), "'builtins.eval'"],
  ['an extension of the registry', Buffer.concat([protocol, latin('\x82\x01.')]), '0x82'],
  ['a tensor beyond its storage', dictionary(text('a'), tensor([9], [1])), 'a tensor within the 8 elements'],
  ['a tensor of a stride beyond', dictionary(text('a'), tensor([2], [8])), 'a tensor within the 8 elements'],
  [
    'a tensor that repeats one element',
    dictionary(text('a'), tensor([2 ** 31 - 1], [0])),
    'a tensor within the 8 elements',
  ],
  [
    'a storage larger than its entry',
    dictionary(text('a.weight'), tensor([2, 4], [4, 1], 0, 2 ** 30)),
    "4294967296 bytes of storage '0' of 'a.weight'",
  ],
  ['a negative offset', dictionary(text('a'), tensor([1], [1], 0xffffffff)), 'the offset of a tensor'],
];

test.each(pickles)('a pickle with %s', async (_, pickle, message) => {
  const path = join(folder, 'harm.pt');
  writeFileSync(
    path,
    zipOf({ 'archive/version': latin('3'), 'archive/data.pkl': pickle, 'archive/data/0': Buffer.alloc(32) }),
  );
  await expect(importModel(path)).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: expect.stringContaining(message),
  });
  expect(existsSync('executed')).toBe(false);
});

const pickle = dictionary(text('a.weight'), tensor([2, 4], [4, 1]));
test.each<[string, Buffer, string]>([
  ['an entry beyond the file', zipOf({ 'a/data.pkl': pickle }, { size: 4096 }), 'beyond its end'],
  ['a compressed entry', zipOf({ 'a/data.pkl': pickle }, { method: 8 }), 'compressed by method 8'],
  ['an encrypted entry', zipOf({ 'a/data.pkl': pickle }, { flags: 1 }), 'an encrypted entry'],
  ['an encrypted list', zipOf({ 'a/data.pkl': pickle }, { flags: 0x2000 }), 'an encrypted entry'],
  ['an entry that is a folder', zipOf({ 'a/data.pkl': pickle }, { attributes: 0x10 }), 'a folder with content'],
  ['two entries of one name', zipOf({ 'a/data.pkl': pickle, 'b/data.pkl': pickle }, { name: 'a/data.pkl' }), 'twice'],
  ['no pickle', zipOf({ 'a/b': pickle }), "with an entry 'data.pkl'"],
  ['bytes of the other order', zipOf({ 'a/data.pkl': pickle, 'a/byteorder': latin('big') }), "'little'"],
  ['a name that cannot be read', zipOf({ 'a/data.pkl': pickle, '\ufffd': pickle }), 'names in UTF-8'],
  ['no version', zipOf({ 'a/data.pkl': pickle }), 'a version from 1 to 10'],
  ['a version to come', zipOf({ 'a/data.pkl': pickle, 'a/version': latin('11') }), 'a version from 1 to 10'],
  ['a version that is none', zipOf({ 'a/data.pkl': pickle, 'a/version': latin('\u00ff3') }), "'version' in UTF-8"],
  ['an entry elsewhere', zipOf({ 'a/data.pkl': pickle, 'b/0': pickle }), "entries in 'a/'"],
  ['a storage that is missing', zipOf({ 'a/data.pkl': pickle, 'a/version': latin('3') }), "of the storage '0'"],
  ['a part elsewhere', zipOf({ 'a/data.pkl': pickle }, { part: 1 }), 'an archive of one part'],
  ['more entries than there are', zipOf({ 'a/data.pkl': pickle }, { count: 7 }), 'an entry of a zip archive'],
])('an archive with %s', async (_, archive, message) => {
  const path = join(folder, 'harm.pt');
  writeFileSync(path, archive);
  await expect(importModel(path)).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: expect.stringContaining(message),
  });
});

test('an archive whose entry has another name than its list says', async () => {
  const path = join(folder, 'harm.pt');
  const archive = zipOf({ 'a/data.pkl': pickle, 'a/version': latin('3') });
  archive[archive.indexOf('a/version') + 2] = 0x56;
  writeFileSync(path, archive);
  await expect(importModel(path)).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: expect.stringContaining("the header of 'a/version'"),
  });
});

const graph = { name: '', nodes: [], inputs: [], outputs: [] };
const model = (constant: Uint8Array[]): Buffer =>
  Buffer.concat([...integerField(1, 7), ...bytesField(7, bytesField(5, constant))]);
test.each<[string, Buffer, string]>([
  ['nothing in it', Buffer.concat(encodeModel({ ...graph, constants: [] }, '', {})), 'Expected one input'],
  ['no graph', Buffer.from([8, 7]), 'an ONNX model, with a graph,'],
  [
    'a message longer than the file',
    Buffer.from([8, 7, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    'the rest of the message',
  ],
  ['an integer of eleven bytes', Buffer.from([8, ...new Array(11).fill(0xff)]), 'at most ten bytes'],
  ['a group', Buffer.from([8, 7, 0x3b]), 'a field of a known type'],
  ['a constant of an unknown type', model([...integerField(2, 99), ...textField(8, 'w')]), "of 'w'"],
  [
    'a constant in another file',
    model([...integerField(2, 1), ...integerField(14, 1), ...textField(8, 'w')]),
    'another file',
  ],
])('an ONNX model with %s', async (_, bytes, message) => {
  const path = join(folder, 'harm.onnx');
  writeFileSync(path, bytes);
  await expect(importModel(path)).rejects.toMatchObject({
    code: 'ERR_FORMAT',
    message: expect.stringContaining(message),
  });
});
