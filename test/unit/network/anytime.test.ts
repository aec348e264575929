import { anytime } from '../../../lib/model/anytime';

const options = { classes: 2, timesteps: 3, threshold: 1, alpha: 1, beta: 1 };

describe('anytime', () => {
  test('an example by hand', () => {
    // Class 0 crosses V = 1 at step 2 and falls back; class 1 never does but ends higher.
    const potentials = Float32Array.of(0.25, 0.5, /**/ 1.5, 0.5, /**/ 0.5, 0.75);
    // Logits: (0.25, 0.5) | 1.5 + (2 + 1 - 2), 0.5 | 0.5 + (3 + 1 - 2), 0.75
    expect(anytime(potentials, options)).toEqual({
      predictions: Int32Array.of(1, 0, 0),
      decisionSteps: Int32Array.of(2),
    });
    // Without the time term the last step goes to class 1 again.
    expect(anytime(potentials, { ...options, beta: 0 })).toEqual({
      predictions: Int32Array.of(1, 0, 1),
      decisionSteps: Int32Array.of(3),
    });
  });

  test('a tie at the threshold is no spike, a tie of logits goes to the first class', () => {
    const at = anytime(Float32Array.of(1, 1.25, 1, 1.25, 1, 1.25), { ...options, alpha: 0 });
    expect(at.predictions).toEqual(Int32Array.of(1, 1, 1));
    expect(anytime(Float32Array.of(1, 1, 1, 1, 1, 1), { ...options, alpha: 0 }).predictions).toEqual(
      Int32Array.of(0, 0, 0),
    );
  });

  test('a prediction that never changes is decided at step 1; images do not mix', () => {
    const calm = [2, 0, 2, 0, 2, 0];
    const late = [2, 0, 2, 0, 2, 9];
    expect(anytime(Float32Array.from([...calm, ...late]), { ...options, beta: 0 }).decisionSteps).toEqual(
      Int32Array.of(1, 3),
    );
  });

  test('the threshold scales the membrane term', () => {
    const potentials = Float32Array.of(0.9, 0, 0.9, 0, 0.9, 1.2);
    expect(anytime(potentials, { ...options, threshold: 0.5 }).predictions).toEqual(Int32Array.of(0, 0, 0));
    expect(anytime(potentials, { ...options, threshold: 2 }).predictions).toEqual(Int32Array.of(0, 0, 1));
  });

  test('a threshold that moves decides the spike time alone', () => {
    const potentials = Float32Array.of(0.9, 0, 0.9, 0, 0.9, 1.2);
    const theta = Float32Array.of(0.5, 1, 2);
    // Class 0 fires at step 1, where the threshold is 0.5; class 1 never reaches 2.
    expect(anytime(potentials, { ...options, theta }).predictions).toEqual(Int32Array.of(0, 0, 0));
    expect(anytime(potentials, options).predictions).toEqual(Int32Array.of(0, 0, 1));
  });

  test.each([
    [new Float32Array(7), options, 'ERR_SHAPE'],
    [[1], options, 'ERR_ARG'],
    [new Float32Array(6), { ...options, threshold: 0 }, 'ERR_ARG'],
    [new Float32Array(6), { ...options, timesteps: 0 }, 'ERR_ARG'],
  ])('wrong arguments %#', (potentials, given, code) => {
    expect(() => anytime(potentials as never, given)).toThrow(expect.objectContaining({ code }));
  });
});
