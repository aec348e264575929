// What ends a run whose numbers have left the range of floating point: which steps do, what the error says, and that it
// is told from other errors.
import { OneSpikeError } from '../../../lib';
import { resolveNetwork } from '../../../lib/model/description';
import type { StepStats } from '../../../lib/model/network';
import { checkFinite, divergence, isDivergence } from '../../../lib/train/loop/divergence';
import type { Session } from '../../../lib/train/loop/session';
import type { Phase } from '../../../lib/train/run/events';
import { RunFolder } from '../../../lib/train/run/run-folder';
import { temporaryFolder } from '../../helpers/command-line';

const folder = new RunFolder(temporaryFolder());
const description = resolveNetwork({
  input: [3, 8, 8],
  timesteps: 4,
  layers: [
    { type: 'conv', out: 4 },
    { type: 'avgpool', kernel: 2 },
    { type: 'linear', out: 10, output: true },
  ],
});

/** A run that has done five steps of its third epoch, as far as divergences look at it. */
const session = { state: { epoch: 2, step: 5 }, folder, network: { description } } as unknown as Session;

const finite: StepStats = {
  ...{ loss: 0.5, correct: 3, count: 4, gradientNorm: 2, badLayer: null, seconds: 1 },
  spikes: Float64Array.of(4),
};

function thrown(steps: readonly Partial<StepStats>[], phase: Phase = 'snn'): OneSpikeError {
  try {
    checkFinite(
      session,
      steps.map((step) => ({ ...finite, ...step })),
      phase,
    );
  } catch (error) {
    return error as OneSpikeError;
  }
  throw new Error('Expected an error');
}

const checkpoint = folder.checkpoint('last.safetensors');

test.each([
  ['no step', []],
  ['finite ones', [finite, { ...finite, loss: 0 }, { ...finite, gradientNorm: 0 }]],
  ['the largest numbers', [{ ...finite, loss: Number.MAX_VALUE, gradientNorm: Number.MAX_VALUE }]],
])('%s: no error', (_, steps) => {
  expect(checkFinite(session, steps, 'snn')).toBeUndefined();
});

test('a loss that is not a number: the whole message', () => {
  const error = thrown([{ loss: NaN, badLayer: 2 }], 'ann');
  expect(error.code).toBe('ERR_STATE');
  expect(error.message).toBe(
    'Expected a finite loss in phase ann, epoch 3, step 6 but received a loss of NaN, non-finite first in layers.2 ' +
      `(linear). The last good checkpoint is ${checkpoint}. ` +
      'Lower ann.optimizer.learningRate, or set ann.optimizer.clipNorm.',
  );
});

test('an infinite loss: its sign', () => {
  expect(thrown([{ loss: -Infinity, badLayer: 0 }]).message).toContain(
    'a loss of -Infinity, non-finite first in layers.0 (conv).',
  );
});

test('a gradient that is not finite, of a finite loss: its norm, and no layer where none is known', () => {
  expect(thrown([{ gradientNorm: Infinity }]).message).toContain(
    'phase snn, epoch 3, step 6 but received a gradient norm of Infinity, non-finite in the gradient.',
  );
});

test('a bad layer ends the run whatever the numbers are', () => {
  expect(thrown([{ badLayer: 0 }]).message).toContain('non-finite first in layers.0 (conv).');
});

test('of several steps the first that is not finite, by its number in the epoch', () => {
  expect(thrown([{}, {}, { loss: NaN, badLayer: 0 }, { loss: Infinity, badLayer: 2 }]).message).toContain(
    'epoch 3, step 8 but received a loss of NaN',
  );
});

test.each(['ann', 'binary', 'snn'] as const)('the advice names the options of the phase %s', (phase) => {
  const { message } = thrown([{ loss: NaN, badLayer: 0 }], phase);
  expect(message).toContain(`in phase ${phase}, `);
  expect(message).toMatch(
    new RegExp(`Lower ${phase}\\.optimizer\\.learningRate, or set ${phase}\\.optimizer\\.clipNorm\\.$`),
  );
});

test('of an evaluation, which has no gradient: the place that the caller names', () => {
  const error = divergence(session, 'binary', 'the test', { loss: NaN, badLayer: 2 });
  expect(error.message).toContain('in phase binary, the test but received a loss of NaN, non-finite first in layers.2');
});

test('a divergence is told from an error of the same code and text', () => {
  const error = divergence(session, 'snn', 'epoch 1', { loss: NaN, badLayer: null });
  expect(isDivergence(error)).toBe(true);
  expect(isDivergence(thrown([{ loss: NaN, badLayer: 0 }]))).toBe(true);
  expect(isDivergence(new OneSpikeError(error.code, error.message))).toBe(false);
  expect(isDivergence(new OneSpikeError('ERR_STATE', 'another', { cause: error }))).toBe(false);
  for (const other of [undefined, null, 'ERR_STATE', new Error(error.message), { ...error }])
    expect(isDivergence(other)).toBe(false);
});
