// What a user's program does with the package, in every runtime and under every package manager.

/** A training of a second. */
export const configuration = {
  dataset: { name: 'shapes', trainCount: 60, testCount: 20, size: 16 },
  model: {
    timesteps: 2,
    layers: [{ type: 'conv', out: 4 }, { type: 'avgpool' }, { type: 'linear', out: 10, output: true }],
  },
  ann: { epochs: 1 },
  snn: { epochs: 1 },
  threads: 1,
  backend: 'cpu',
};

const body = `
  const { createHash } = crypto;
  const out = process.argv[2];
  const kinds = [];
  for await (const { event } of train({ ...${JSON.stringify(configuration)}, out })) kinds.push(event);
  const run = await loadRun(out);
  const network = await run.network();
  await network.save(out + '/saved.safetensors');
  const hash = createHash('sha256');
  for (const [name, { data }] of await network.parameters())
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const reopened = await Network.open(out + '/saved.safetensors', { backend: 'cpu' });
  const { predictions } = await reopened.forward(new Uint8Array(3 * 16 * 16).fill(100));
  await network.dispose();
  await reopened.dispose();
  console.log(JSON.stringify({ last: kinds.at(-1), parameters: hash.digest('hex'), predictions: predictions.length }));
`;

/** Trains into the folder of its first argument, saves, opens again, and prints a line of JSON. */
export const programs = {
  mjs: `import crypto from 'node:crypto';\nimport { loadRun, Network, train } from 'onespike';\n${body}`,
  cjs: `const crypto = require('node:crypto');\nconst { loadRun, Network, train } = require('onespike');\n(async () => {${body}})();`,
} as const;

export interface Result {
  last: string;
  parameters: string;
  predictions: number;
}

/** The line that a program prints. Others before it are the runtime's. */
export const resultOf = (output: string): Result => JSON.parse(output.trim().split('\n').at(-1)!) as Result;
