// What a network answers for each of a batch of images, and when it knew.
import { bitsOf, stepsToDecision } from '../model/code/steps';
import type { ForwardStats, Mode, Network } from '../model/network';

/** The answer for one image. */
export interface Answer {
  /** The class with the largest logit. */
  label: number;
  /** The softmax of that logit. */
  probability: number;
  /** The softmax of all logits (K). */
  probabilities: number[];
  /**
   * The first step from which the answer no longer changes, or at which it was given (`earlyExit`); null for an ANN,
   * which has no steps.
   */
  step: number | null;
  /** The number of steps that a decision takes at most. */
  timesteps: number;
  /** The bits of a value, which are the steps that the papers of the code `radix` count; absent with other codes. */
  bits?: number;
}

export interface AnswerOptions {
  mode: Mode;
  earlyExit?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** Answers for images (N, C, H, W), in their order. Errors: those of `network.forward`. */
export async function answersOf(
  network: Network,
  pixels: Uint8Array,
  { mode, earlyExit = false, signal }: AnswerOptions,
): Promise<{ answers: Answer[]; stats: ForwardStats }> {
  const { code, input } = network.description;
  const count = pixels.length / (input[0] * input[1] * input[2]);
  const timesteps = stepsToDecision(network.description);
  // With a code there is one answer, after the last step.
  const coded = mode === 'snn' && code !== undefined;
  const potentials = mode === 'snn' && !coded && !earlyExit;
  const result = await network.forward(pixels, { mode, potentials, earlyExit, signal });
  const steps =
    result.potentials === undefined ? result.decisionSteps : (await network.anytime(result.potentials)).decisionSteps;
  const classes = result.probabilities.length / count;
  const answers = Array.from(result.predictions, (label, n): Answer => {
    const probabilities = [...result.probabilities.subarray(n * classes, (n + 1) * classes)];
    return {
      label,
      probability: probabilities[label]!,
      probabilities,
      step: coded ? timesteps : (steps?.[n] ?? null),
      timesteps,
      ...bitsOf(network.description),
    };
  });
  return { answers, stats: result.stats };
}
