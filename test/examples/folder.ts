// A folder in which the examples of the documents find what they name: runs, data sets, pictures, files.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { writeCifar10 } from '../data/support/cifar';
import { cifarRecords, encodePng } from '../data/support/helpers';
import { tinyConfig } from '../helpers/command-line';
import { root } from './blocks';

/** A quarter of a second of training, with everything that a run has. */
const runConfig = {
  ...tinyConfig,
  dataset: { name: 'shapes', trainCount: 100, testCount: 20 },
  ann: { ...tinyConfig.ann, epochs: 1 },
  snn: { ...tinyConfig.snn, epochs: 1 },
};

function picture(seed: number): Buffer {
  const pixels = Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * seed) % 251);
  return encodePng({ width: 32, height: 32, depth: 8, colour: 2, samples: pixels });
}

/** Variables of the programs that are run in the folder. */
export const environmentOf = (folder: string): Record<string, string> => ({
  ONESPIKE_DATA: join(folder, 'DIR'),
  CUDA_VISIBLE_DEVICES: '',
});

export interface Published {
  url: string;
  sha256: string;
  close: () => void;
}

/** Publishes the model of `runs/mine`, as documents have one at https://example.org. */
export async function publishModel(folder: string): Promise<Published> {
  const model = readFileSync(join(folder, 'runs/mine/model.safetensors'));
  const server = createServer((_, response) => response.end(model)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sha256: createHash('sha256').update(model).digest('hex'),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Fills the folder, all but `runs/mine`, which `config.json` trains. */
export async function prepareFolder(folder: string): Promise<void> {
  const at = (...names: string[]): string => join(folder, ...names);
  const write = (name: string, content: string | Uint8Array): void => {
    mkdirSync(join(at(name), '..'), { recursive: true });
    writeFileSync(at(name), content);
  };
  write('config.json', JSON.stringify(runConfig));
  write('cat.png', picture(7));
  write('dog.png', picture(11));
  for (const kind of ['cats', 'dogs'])
    for (let i = 1; i <= 20; i++) write(`pictures/${kind}/${i}.png`, picture(kind.length + 2 * i));
  // Both as $ONESPIKE_DATA and as the DIR of the documents.
  await writeCifar10(at('DIR/cifar-10-batches-bin'), 20);
  write(
    'DIR/cifar-100-binary/train.bin',
    cifarRecords(200, (i) => [i % 20, i % 100]),
  );
  write(
    'DIR/cifar-100-binary/test.bin',
    cifarRecords(20, (i) => [i % 20, i % 100]),
  );
  cpSync(join(root, 'test/exchange/files/torchvision.pth'), at('vgg16_bn.pth'));
  cpSync(join(root, 'examples'), at('examples'), { recursive: true });
  mkdirSync(at('node_modules'));
  symlinkSync(root, at('node_modules/onespike'));
}
