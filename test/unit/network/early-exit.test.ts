// The option earlyExit of Network.forward and Network.evaluate.
import { onEachBackend } from '../../helpers/backends';
import { tiny, TINY_CLASSES as K } from '../../lifecycle/helpers';
import { batch, networksOn } from './networks';

const T = tiny.timesteps;

onEachBackend((on) => {
  const { create, lively } = networksOn(on);

  test('an image ends at the first output spike, with the answer of that step', async () => {
    const network = await lively();
    const images = batch(40);
    const whole = await network.forward(images.pixels, { potentials: true });
    const threshold = 0.2;
    const early = await network.forward(images.pixels, { earlyExit: true });
    const again = await network.forward(images.pixels, { earlyExit: true });
    const steps = Array.from({ length: 40 }, (_, n) => {
      for (let t = 1; t <= T; t++)
        for (let k = 0; k < K; k++) if (whole.potentials![(n * T + t - 1) * K + k]! > threshold) return t;
      return T;
    });
    expect(Array.from(early.decisionSteps!)).toEqual(steps);
    expect(new Set(steps).size).toBeGreaterThan(1);
    expect(early.stats.meanDecisionStep).toBeCloseTo(steps.reduce((sum, step) => sum + step, 0) / 40, 9);
    const { predictions } = await network.anytime(whole.potentials!);
    expect(Array.from(early.predictions)).toEqual(steps.map((step, n) => predictions[n * T + step - 1]));
    expect(again.decisionSteps).toEqual(early.decisionSteps);
    expect(again.logits).toEqual(early.logits);
    expect(whole.decisionSteps).toBeUndefined();
    expect(whole.stats.meanDecisionStep).toBeUndefined();
    const evaluated = await network.evaluate(images, { earlyExit: true });
    expect(evaluated.correct).toBe(
      images.labels.reduce((sum, label, n) => sum + Number(early.predictions[n] === label), 0),
    );
    expect(evaluated.meanDecisionStep).toBeCloseTo(early.stats.meanDecisionStep!, 9);
  });

  test.each([
    [{ earlyExit: 1 }],
    [{ earlyExit: true, mode: 'ann' }],
    [{ earlyExit: true, trace: true }],
    [{ earlyExit: true, potentials: true }],
  ])('wrong options %#', async (options) => {
    const network = await create();
    await expect(network.forward(batch(1).pixels, options as never)).rejects.toMatchObject({ code: 'ERR_ARG' });
  });
});
