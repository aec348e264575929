// A small network that serves, and pictures for it.
import { encodePng } from '../data/support/png-writer';
import { Network } from '../../lib/model/network';
import { serve, type RunningServer, type ServeOptions } from '../../lib/serve';

export const classes = ['dark', 'grey', 'light'];

/** A network of three classes that answers differently for different pictures. */
export async function smallNetwork(): Promise<Network> {
  const network = await Network.create(
    {
      input: [3, 8, 8],
      timesteps: 3,
      beta: 0,
      layers: [
        { type: 'conv', out: 8, bias: true },
        { type: 'linear', out: 3, output: true },
      ],
    },
    { backend: 'cpu', seed: 3, threads: 1 },
  );
  return network;
}

/** A picture of one colour, of a size that is not that of the network. */
export const picture = (value: number, side = 12): Buffer =>
  encodePng({ width: side, height: side, depth: 8, colour: 2, samples: new Uint8Array(3 * side * side).fill(value) });

/** Serves for the time of the work. */
export async function serving<T>(
  options: ServeOptions,
  work: (url: string, network: Network, server: RunningServer) => Promise<T>,
): Promise<T> {
  const network = await smallNetwork();
  const server = await serve(network, { classes, name: 'small', ...options });
  try {
    return await work(server.url, network, server);
  } finally {
    await server.close();
    await network.dispose();
  }
}

/** One answer. */
export interface Prediction {
  class: string;
  label: number;
  probability: number;
  step: number;
  timesteps: number;
  probabilities: number[];
}
/** What the server sends. */
export type Body = Prediction & {
  model: string;
  predictions: Prediction[];
  error?: { message: string; code?: string };
};

/** Sends a request to /predict. */
export async function post(url: string, init: RequestInit): Promise<{ status: number; body: Body; headers: Headers }> {
  const response = await fetch(`${url}/predict`, { method: 'POST', ...init });
  return { status: response.status, body: (await response.json()) as Body, headers: response.headers };
}

export const base64 = (bytes: Buffer): string => bytes.toString('base64');
export const json = (value: unknown): RequestInit => ({
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
});
