// Network.forward: what it returns, and that the size of a batch changes nothing.
import { onEachBackend } from '../../helpers/backends';
import { outcome, tiny, TINY_CLASSES as K, TINY_PIXELS } from '../../lifecycle/helpers';
import { batch, networksOn } from './networks';

const T = tiny.timesteps;

onEachBackend((on) => {
  const { create, lively } = networksOn(on);

  test('logits, predictions, statistics; more on request', async () => {
    const network = await lively();
    const plain = await network.forward(batch(4).pixels);
    expect(plain.logits).toHaveLength(4 * K);
    expect(plain).not.toHaveProperty('spikeTimes');
    expect(plain).not.toHaveProperty('potentials');
    expect(plain).not.toHaveProperty('margins');
    expect(plain.stats).toMatchObject({ count: 4, loss: null, badLayer: null });
    for (let n = 0; n < 4; n++) {
      const row = Array.from(plain.logits.subarray(n * K, (n + 1) * K));
      expect(plain.predictions[n]).toBe(row.indexOf(Math.max(...row)));
      const powers = row.map((logit) => Math.exp(logit - Math.max(...row)));
      const sum = powers.reduce((total, power) => total + power, 0);
      powers.forEach((power, k) => expect(plain.probabilities[n * K + k]).toBeCloseTo(power / sum, 12));
    }
    const full = await network.forward(batch(4).pixels, { trace: true, potentials: true });
    expect(full.logits).toEqual(plain.logits);
    expect(full.potentials).toHaveLength(4 * T * K);
    const { margins: none, ...lean } = await network.forward(batch(4).pixels, { trace: true, margins: false });
    expect(none).toBeUndefined();
    expect(lean.spikeTimes).toEqual(full.spikeTimes);
    expect([...full.spikeTimes!.keys()]).toEqual(['layers.0', 'layers.2']);
    const hidden = full.spikeTimes!.get('layers.0')!;
    expect(hidden).toHaveLength(4 * 64);
    expect(Math.max(...hidden)).toBeLessThanOrEqual(T);
    expect(hidden.filter((time) => time > 0)).toHaveLength(full.stats.spikes[0]!);
    expect(full.spikeTimes!.get(0)).toBe(hidden);
    expect(full.spikeTimes!.get('layers.0.spike_time')).toBe(hidden);
    expect(full.spikeTimes!.has(1)).toBe(false);
    const output = full.spikeTimes!.get(2)!;
    expect(Math.min(...output)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...output)).toBeLessThanOrEqual(T + 1);
  });

  test('the logits follow from potentials and spike times', async () => {
    const network = await lively({ ...tiny, alpha: 0.7, beta: 1.3 });
    const { logits, potentials, spikeTimes, predictions } = await network.forward(batch(6).pixels, {
      trace: true,
      potentials: true,
    });
    const [threshold] = (await network.parameters()).get('layers.2.threshold')!.data;
    for (let n = 0; n < 6; n++) {
      for (let k = 0; k < K; k++) {
        const u = Array.from({ length: T }, (_, t) => potentials![(n * T + t) * K + k]!);
        const first = u.findIndex((value) => value > threshold!);
        expect(spikeTimes!.get(2)![n * K + k]).toBe(first < 0 ? T + 1 : first + 1);
        expect(logits[n * K + k]).toBeCloseTo((0.7 * u.at(-1)!) / threshold! + 1.3 * (first < 0 ? 0 : T - first), 4);
      }
    }
    const { predictions: steps, decisionSteps } = await network.anytime(potentials!);
    expect(Array.from(predictions, (_, n) => steps[n * T + T - 1])).toEqual([...predictions]);
    for (const step of decisionSteps) expect(step >= 1 && step <= T).toBe(true);
  });

  test('no spike moves while a threshold moves by less than the margin, and one does when it moves by more', async () => {
    const network = await lively();
    const { pixels } = batch(1);
    const { margins, spikeTimes } = await network.forward(pixels, { trace: true });
    const margin = margins![0]!;
    expect(margin).toBeGreaterThan(0);
    const [threshold] = (await network.parameters()).get('layers.0.threshold')!.data;
    const moved = async (share: number): Promise<boolean> => {
      await network.setParameters(new Map([['layers.0.threshold', Float32Array.of(threshold! * (1 + share))]]));
      const { spikeTimes: now } = await network.forward(pixels, { trace: true });
      return !now!.get(0)!.every((time, i) => time === spikeTimes!.get(0)![i]);
    };
    expect([await moved(0.95 * margin), await moved(-0.95 * margin)]).toEqual([false, false]);
    expect([await moved(1.05 * margin), await moved(-1.05 * margin)]).toContain(true);
  });

  test('a batch larger than one native call equals its images one by one', async () => {
    const network = await lively();
    const many = batch(1300);
    const whole = await network.forward(many.pixels, { trace: true, potentials: true });
    expect(whole.stats.count).toBe(1300);
    for (const n of [0, 511, 512, 1024, 1299]) {
      const one = await network.forward(many.pixels.subarray(n * TINY_PIXELS, (n + 1) * TINY_PIXELS), {
        trace: true,
        potentials: true,
      });
      expect(one.logits).toEqual(whole.logits.slice(n * K, (n + 1) * K));
      expect(one.potentials).toEqual(whole.potentials!.slice(n * T * K, (n + 1) * T * K));
      expect(one.margins).toEqual(whole.margins!.slice(n, n + 1));
      expect(one.spikeTimes!.get(0)).toEqual(whole.spikeTimes!.get(0)!.slice(n * 64, (n + 1) * 64));
    }
    const parts = await Promise.all([1300].map(() => network.evaluate(many)));
    expect(parts[0]).toMatchObject({ count: 1300, spikes: whole.stats.spikes });
  });

  test("mode 'ann' has no time", async () => {
    const network = await create();
    expect((await network.forward(batch(2).pixels, { mode: 'ann' })).logits).toHaveLength(2 * K);
    expect(await outcome(() => network.forward(batch(2).pixels, { mode: 'ann', trace: true }))).toBe('ERR_ARG');
  });

  test.each([
    [
      new Uint8Array(TINY_PIXELS + 1),
      'ERR_SHAPE',
      `Expected a positive multiple of ${TINY_PIXELS} bytes (2 x 4 x 4 per image) for pixels but received ${TINY_PIXELS + 1}`,
    ],
    [[1, 2], 'ERR_ARG', 'Expected a Uint8Array for pixels but received an array of 2'],
    [
      new Float32Array(TINY_PIXELS),
      'ERR_ARG',
      `Expected a Uint8Array for pixels but received Float32Array of ${TINY_PIXELS}`,
    ],
  ])('wrong pixels %#', async (wrong, code, message) => {
    const network = await create();
    await expect(network.forward(wrong as never)).rejects.toMatchObject({
      name: 'OneSpikeError',
      code,
      message,
      stack: expect.stringContaining(__filename),
    });
  });
});
