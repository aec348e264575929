// Tensors of safetensors files: one, or several that an index lists (`model.safetensors.index.json`).
import { isUtf8 } from 'node:buffer';
import { basename, dirname, join } from 'node:path';

import { describeValue, isObject } from '../../check';
import { OneSpikeError } from '../../errors';
import { InputFile } from '../../io/binary/input-file';
import { decodeText, parseJson } from '../../io/json-text';
import { readSafetensors, type Tensor } from '../../io/safetensors';
import { toFloats, type SourceTensor, type TensorSource } from './tensor';

/** An index of 100,000 tensors has some 10 MB. */
const MAX_INDEX = 2 ** 26;

/** The tensors of one file. Errors: as `readSafetensors`. */
export async function safetensorsSource(path: string): Promise<TensorSource> {
  const { metadata, tensors } = await readSafetensors(path);
  if (metadata['onespike'] !== undefined)
    throw fault(path, 'a file of another program', 'a model file of onespike, which needs no import');
  const list = [...tensors].map(([name, tensor]) => sourceTensor(path, name, tensor));
  return { format: 'safetensors', tensors: list, ordered: false };
}

/**
 * The tensors of the files that an index lists; they lie beside it. Errors: ERR_FORMAT for an index that is none, that
 * names files elsewhere, or whose files do not hold what it says; as `readSafetensors`.
 */
export async function shardedSource(path: string): Promise<TensorSource> {
  const bytes = await readIndex(path);
  if (!isUtf8(bytes)) throw fault(path, 'JSON in UTF-8', 'other bytes');
  const index = parseJson(decodeText(bytes), path);
  const map = isObject(index) ? index['weight_map'] : undefined;
  if (!isObject(map))
    throw fault(path, "an object 'weight_map', as an index of safetensors files has", describeValue(map));
  const files = new Map<string, string[]>();
  for (const [name, file] of Object.entries(map)) {
    if (typeof file !== 'string' || file !== basename(file) || !file.endsWith('.safetensors'))
      throw fault(path, `a safetensors file beside the index for '${name}'`, describeValue(file));
    files.set(file, [...(files.get(file) ?? []), name]);
  }
  const tensors: SourceTensor[] = [];
  for (const [file, names] of files) {
    const shard = join(dirname(path), file);
    const stored = (await readSafetensors(shard)).tensors;
    for (const name of names) {
      const tensor = stored.get(name);
      if (tensor === undefined) throw fault(shard, `a tensor '${name}', as ${path} says,`, 'none');
      tensors.push(sourceTensor(shard, name, tensor));
    }
  }
  return { format: 'safetensors', tensors, ordered: false };
}

function readIndex(path: string): Promise<Uint8Array> {
  return InputFile.use(path, (file) => {
    if (file.size > MAX_INDEX) throw file.damaged(0, `an index of at most ${MAX_INDEX} bytes`, String(file.size));
    return file.read(0, file.size);
  });
}

function sourceTensor(path: string, name: string, { dtype, shape, data }: Tensor): SourceTensor {
  // A tensor that is read has a buffer of its own.
  const read = (): Promise<Float32Array> => toFloats(dtype, data.buffer as ArrayBuffer, () => `'${name}' of ${path}`);
  return { name, dtype, shape, read };
}

function fault(path: string, what: string, received: string): OneSpikeError {
  return new OneSpikeError('ERR_FORMAT', `Expected ${what} for ${path} but received ${received}`);
}
