// Rounding to 16 bits: the nearest number of the table, of two the even one.
import { floatTable, HALF_FLOATS, toHalfFloats } from '../../lib/io/small-floats';
import { readModel, writeModel } from '../../lib/model/model-file';
import { Network } from '../../lib/model/network';
import { readSafetensors } from '../../lib/io/safetensors';
import { temporaryFolder } from '../helpers/command-line';
import { join } from 'node:path';

const folder = temporaryFolder();

describe.each(HALF_FLOATS)('%s', (type) => {
  const table = floatTable(type);

  test('every number of the table is itself', () => {
    const patterns = Uint16Array.from({ length: 65_536 }, (_, bits) => bits).filter(
      (bits) => !Number.isNaN(table[bits]),
    );
    expect(
      toHalfFloats(
        type,
        Float32Array.from(patterns, (bits) => table[bits]!),
      ),
    ).toEqual(patterns);
  });

  test('what lies between two of them goes to the nearer, and the middle to the even one', () => {
    const numbers: number[] = [];
    const expected: number[] = [];
    // The positive finite ones, up to the largest.
    const largest = table.indexOf(Infinity) - 1;
    for (let bits = 0; bits < largest; bits += 5) {
      const [low, high] = [table[bits]!, table[bits + 1]!];
      const middle = (low + high) / 2;
      if (Math.fround(middle) !== middle) continue;
      numbers.push(middle, -middle, low + (high - low) * 0.25, low + (high - low) * 0.75);
      const even = bits % 2 === 0 ? bits : bits + 1;
      expected.push(even, even | 0x8000, bits, bits + 1);
    }
    expect(numbers.length).toBeGreaterThan(20_000);
    expect([...toHalfFloats(type, Float32Array.from(numbers))]).toEqual(expected);
  });

  test('what is beyond is infinite', () => {
    const infinite = table.indexOf(Infinity);
    expect([...toHalfFloats(type, Float32Array.of(3.4e38, -3.4e38, Infinity))]).toEqual([
      infinite,
      infinite | 0x8000,
      infinite,
    ]);
  });

  test('a model file with such weights opens; other parameters are as they were', async () => {
    const network = await Network.create(
      {
        input: [1, 4, 4],
        timesteps: 2,
        layers: [
          { type: 'linear', out: 5, bias: true },
          { type: 'linear', out: 3, output: true },
        ],
      },
      { backend: 'cpu', seed: 1, threads: 1 },
    );
    const tensors = await network.parameters();
    tensors.get('layers.0.bias')!.data.fill(0.1);
    const path = join(folder, `${type}.safetensors`);
    await writeModel(path, network.description, tensors, { weights: type });
    const stored = await readSafetensors(path);
    expect([...stored.tensors].map(([name, { dtype }]) => `${name} ${dtype}`).sort()).toEqual(
      [...tensors.keys()].map((name) => `${name} ${name.endsWith('weight') ? type : 'F32'}`).sort(),
    );
    const read = await readModel(path);
    for (const [name, { data }] of tensors) {
      const rounded = name.endsWith('weight')
        ? Float32Array.from(toHalfFloats(type, data), (bits) => table[bits]!)
        : data;
      expect(read.tensors.get(name)!.data).toEqual(rounded);
    }
    await network.dispose();
    tensors.get('layers.0.weight')!.data[0] = 3.4e38;
    await expect(writeModel(path, network.description, tensors, { weights: type })).rejects.toMatchObject({
      code: 'ERR_ARG',
      message: expect.stringContaining(`within the range of ${type}`),
    });
  });
});
