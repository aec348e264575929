// Results of several steps as those of one over all their images.
import { StepSums } from '../../../lib/model/network/step-sums';
import type { StepStats } from '../../../lib/model/network';

const step = (change: Partial<StepStats> = {}): StepStats => ({
  loss: 2,
  correct: 1,
  count: 4,
  spikes: Float64Array.of(10, 20),
  gradientNorm: 3,
  badLayer: null,
  seconds: 0.5,
  ...change,
});

test('means weigh steps by their images; the rest adds up', () => {
  const sums = new StepSums().add(step()).add(step({ loss: 5, correct: 2, count: 2, spikes: Float64Array.of(1, 2) }));
  expect(sums.totals()).toEqual({ loss: 18, correct: 3, count: 6, spikes: [11, 22] });
  expect(sums.mean()).toEqual({
    loss: 3,
    correct: 3,
    count: 6,
    spikes: Float64Array.of(11, 22),
    gradientNorm: 0,
    badLayer: null,
    seconds: 1,
  });
});

test('one step comes back as it was, where product and division would round its loss', () => {
  expect((0.1 * 3) / 3).not.toBe(0.1); // else this test asks nothing
  expect(new StepSums().add(step({ loss: 0.1, count: 3 })).mean().loss).toBe(0.1);
});

test('the first layer that was not finite is kept, be it layer 0', () => {
  const sums = new StepSums()
    .add(step())
    .add(step({ badLayer: 0 }))
    .add(step({ badLayer: 2 }));
  expect(sums.mean().badLayer).toBe(0);
});

test('decision steps are means over the images, and absent where there are none', () => {
  const sums = new StepSums().add(step({ meanDecisionStep: 2 })).add(step({ count: 12, meanDecisionStep: 4 }));
  expect(sums.mean().meanDecisionStep).toBe(3.5);
  expect(new StepSums().add(step()).mean()).not.toHaveProperty('meanDecisionStep');
});

test('steps without labels leave no loss', () => {
  expect(
    new StepSums()
      .add({ ...step(), loss: null })
      .add(step())
      .mean().loss,
  ).toBeNaN();
});

test('begins with earlier totals and leaves them as they are', () => {
  const earlier = { loss: 1, correct: 1, count: 1, spikes: [1, 1] };
  const sums = new StepSums(earlier).add(step());
  expect(sums.totals()).toEqual({ loss: 9, correct: 2, count: 5, spikes: [11, 21] });
  expect(sums.mean().loss).toBe(1.8);
  sums.totals().spikes[0] = 0;
  expect(sums.totals().spikes).toEqual([11, 21]);
  expect(earlier).toEqual({ loss: 1, correct: 1, count: 1, spikes: [1, 1] });
});
