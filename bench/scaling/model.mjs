// Time per step = compute + exposed communication: the model, its parameters, and what it predicts.

/**
 * @typedef {{ bytes: number, exchange: number, add: number }} Exchange Medians in seconds.
 * @typedef {{ fixed: number, perImage: number }} Compute Seconds of a step that no rank saves, and of each image.
 * @typedef {{ name: string, macs: number, parameters: number }} Model
 *
 * @typedef {object} Cluster The assumptions about GPUs; none of them was measured.
 * @property {number} peak Dense bf16 operations per second of a GPU.
 * @property {number} share The part of it that training reaches.
 * @property {number} pcie Bytes per second between GPU and host, each way.
 * @property {number} inside Bytes per second between GPUs of a host.
 * @property {number} outside Bytes per second between hosts, for each GPU.
 * @property {number} latency Seconds of a message between hosts.
 * @property {number} perHost GPUs of a host.
 */

/** @type {Cluster} */
export const assumed = {
  peak: 989e12,
  share: 0.3,
  pcie: 50e9,
  inside: 450e9,
  outside: 50e9,
  latency: 10e-6,
  perHost: 8,
};

/**
 * Seconds to exchange `bytes` with one rank and to add them, between the sizes that were measured.
 *
 * @param {readonly Exchange[]} measured ascending
 * @param {number} bytes
 */
export function exchangeSeconds(measured, bytes) {
  const times = measured.map((one) => ({ bytes: one.bytes, seconds: one.exchange + one.add }));
  const after = times.findIndex((one) => one.bytes >= bytes);
  const last = times[times.length - 1];
  if (last === undefined) throw new Error('Expected at least one measured size but received none');
  if (after < 0) return (last.seconds * bytes) / last.bytes;
  const [low, high] = [times[after - 1] ?? { bytes: 0, seconds: times[0]?.seconds ?? 0 }, times[after] ?? last];
  const part = high.bytes === low.bytes ? 1 : (bytes - low.bytes) / (high.bytes - low.bytes);
  return low.seconds + part * (high.seconds - low.seconds);
}

/**
 * What a step costs at any batch, from the seconds of two.
 *
 * @param {{ batch: number, seconds: number }} small
 * @param {{ batch: number, seconds: number }} large
 * @returns {Compute}
 */
export function computeOf(small, large) {
  const perImage = (large.seconds - small.seconds) / (large.batch - small.batch);
  return { perImage, fixed: Math.max(0, small.seconds - perImage * small.batch) };
}

/**
 * A step on CPU ranks of one thread each. Ranks beyond the cores take turns: compute and additions take as many times
 * longer as there are ranks for a core.
 *
 * @param {{ compute: Compute, exchanges: readonly Exchange[], bytes: number, batch: number, ranks: number, cores: number }} step
 */
export function cpuStep({ compute, exchanges, bytes, batch, ranks, cores }) {
  const turns = Math.max(1, ranks / cores);
  const computing = turns * (compute.fixed + (compute.perImage * batch) / ranks);
  const communication = turns * Math.log2(ranks) * exchangeSeconds(exchanges, bytes);
  return { computing, communication, seconds: computing + communication };
}

/**
 * A step on GPUs, of whose compute nothing was measured: a share of their peak is assumed. Three passes of T dense
 * steps; the backward pass is two thirds of them.
 *
 * @param {{ model: Model, timesteps: number, images: number, gpus: number, cluster: Cluster }} step images: on each GPU
 */
export function gpuStep({ model, timesteps, images, gpus, cluster }) {
  const { peak, share, pcie, inside, outside, latency, perHost } = cluster;
  const bytes = 4 * model.parameters;
  const computing = (3 * 2 * model.macs * timesteps * images) / (share * peak);
  if (gpus === 1) return { computing, throughHost: computing, ring: computing };
  // As it is: the sums leave the GPU, pass log2 exchanges of the whole gradient between hosts, and come back.
  const rounds = Math.log2(gpus);
  const between = Math.max(0, rounds - Math.log2(perHost));
  const within = rounds - between;
  // The GPUs of a host share its network and its memory, but each has a link of its own to the host.
  const throughHost = (2 * bytes) / pcie + rounds * latency + (within * bytes) / pcie + (between * bytes) / outside;
  // A ring of all GPUs in the stream, overlapped with the backward pass.
  const slowest = gpus > perHost ? outside : inside;
  const ring = (2 * (gpus - 1) * bytes) / gpus / slowest + 2 * (gpus - 1) * latency;
  const exposed = Math.max(0, ring - (2 / 3) * computing);
  return { computing, throughHost: computing + throughHost, ring: computing + exposed };
}
