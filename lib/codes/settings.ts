// Which simulations of a code a comparison runs: the code's usual number of time steps, or several for codes whose
// layers have windows.
import { checkOptions } from '../check';
import {
  checkSimulatedSteps,
  isStepped,
  SIMULATED_CODES,
  type SimulatedCode,
} from '../model/network/simulation-options';
import type { SimulateOptions } from '../model/network';

/** What differs from simulation to simulation. */
export type SimulationSetting = Pick<SimulateOptions, 'code' | 'timesteps' | 'timeConstant' | 'base'>;

/** Time steps by code. */
export type CodeTimesteps = Partial<Record<SimulatedCode, number>>;

/**
 * In codes whose layers share the steps one simulation tells the accuracy after every smaller number of them. Where
 * each layer has a window, the window decides how finely values are told, so that several are tried. In both cases the
 * longest is one at which the code is about as good as it becomes: `rate`, 1000, is that of Park et al.
 */
const USUAL: Record<SimulatedCode, readonly number[]> = {
  rate: [1000],
  direct: [250],
  phase: [512],
  burst: [256],
  'ttfs-converted': [21, 41, 81],
  tsc: [16, 32, 64, 128],
  'one-spike-phase': [8, 16, 24],
};
const QUICK: Record<SimulatedCode, readonly number[]> = {
  rate: [100],
  direct: [50],
  phase: [64],
  burst: [32],
  'ttfs-converted': [81],
  tsc: [32],
  'one-spike-phase': [24],
};

/** The simulations of a code; with `timesteps` the one that `network.simulate` runs with so many. */
export function settingsOf(code: SimulatedCode, { timesteps = {}, quick = false }: Chosen): SimulationSetting[] {
  const given = timesteps[code];
  if (given !== undefined) return [{ code, timesteps: given }];
  return (quick ? QUICK : USUAL)[code].map((steps) => ({ code, timesteps: steps, ...clockOf(code, steps) }));
}

interface Chosen {
  timesteps?: CodeTimesteps | undefined;
  quick?: boolean | undefined;
}

/** The clock grows with the window, so that the last step of every window counts as much as that of the default one. */
function clockOf(code: SimulatedCode, steps: number): Pick<SimulationSetting, 'timeConstant' | 'base'> {
  if (code === 'ttfs-converted') return { timeConstant: (20 * (steps - 1)) / 80 };
  if (code === 'one-spike-phase') return { base: 1.2 ** (23 / (steps - 1)) };
  return {};
}

/** Checks time steps by code. Errors: ERR_ARG. */
export function checkCodeTimesteps(value: unknown, name: string): CodeTimesteps {
  const given = checkOptions(value, name, SIMULATED_CODES);
  for (const code of SIMULATED_CODES)
    if (given[code] !== undefined) checkSimulatedSteps(code, given[code], `${name}.${code}`);
  return given as CodeTimesteps;
}

/** A setting in words, for progress: `tsc 64`. */
export function settingName({ code, timesteps }: SimulationSetting): string {
  return isStepped(code) ? code : `${code} ${timesteps}`;
}
