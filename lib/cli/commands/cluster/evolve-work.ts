// What the command `evolve` does: individuals are trained in processes below this one, and a person sees a line for
// each generation.
import { join } from 'node:path';
import { evolveBy } from '../../../cluster/evolve/evolve';
import { outcomeRows, type EvolveEvents } from '../../../cluster/evolve/records';
import { parseEvolution, separateSettings, type Evolution } from '../../../cluster/evolve/settings';
import { openStudy } from '../../../cluster/sweep';
import { shortPath } from '../../../io/paths';
import { interruptible } from '../../interrupt';
import type { Output } from '../../output';
import { compact, percent, table } from '../../style';
import { asUsage } from '../../usage';
import { configInput, overridesOf } from '../train';
import { runTrials, sharesOf } from './sweep-work';

export interface EvolveFlags {
  dataset?: string;
  data?: string;
  out?: string;
  generations?: number;
  population?: number;
  parents?: number;
  sigma?: number;
  epochs?: number;
  images?: number;
  final: boolean;
  maxParallel?: number;
  threads?: number;
  set: string[];
  json?: boolean;
}

/**
 * Errors: UsageError for a configuration without genes and for settings out of range; ERR_ABORTED with how to go on.
 */
export async function workOnEvolution(output: Output, name: string, flags: EvolveFlags): Promise<void> {
  const evolution = await evolutionOf(name, flags);
  const work = async (signal: AbortSignal): Promise<void> => {
    const events = evolveBy(evolution, flags.out, signal, async (study, path) => {
      await openStudy(study, path);
      const running = new Set<number>();
      await runTrials(path, sharesOf(study, flags), signal, (event) => {
        if (event.event === 'begin') running.add(event.trial);
        else running.delete(event.trial);
        output.status(`${study.name}: individual ${[...running].join(', ') || '–'}`);
      });
    });
    for await (const event of events) {
      output.event(event);
      show(output, event);
    }
  };
  await interruptible(output, work, { interrupted: 'Interrupted and saved. The same command goes on' });
}

/** Flags win over what the file says. Errors: UsageError. */
async function evolutionOf(name: string, flags: EvolveFlags): Promise<Evolution> {
  const { generations, population, parents, sigma, epochs, images, final, ...rest } = flags;
  const input = await configInput(name, rest);
  const overrides = overridesOf(rest);
  return asUsage(() => {
    const { config, settings } = separateSettings(input);
    const given = { generations, population, parents, sigma, epochs, images, ...(final ? {} : { final }) };
    const chosen = Object.entries(given).filter(([, value]) => value !== undefined);
    return parseEvolution(config as object, { ...settings, ...Object.fromEntries(chosen) }, overrides);
  }, 'docs/CLI.md shows what an evolution needs');
}

function show(output: Output, event: EvolveEvents): void {
  if (event.event === 'evolve') {
    const { model, genes, compression, generations, population, ended } = event;
    const before = ended === 0 ? '' : `, ${ended} of them ended already`;
    output.line(output.paint('bold', `evolve ${model}: ${generations} generations of ${population}${before}`));
    output.line(
      `${genes} genes: ${compact(compression.genes)} numbers in place of ${compact(compression.weights)} weights of convolutions (${percent(compression.saved)} saved)`,
    );
  } else if (event.event === 'generation') {
    const { generation, bestFitness, bestAccuracy, meanAccuracy, parents } = event;
    output.line(
      [
        output.paint('cyan', `generation ${generation}`),
        `best ${percent(bestAccuracy)} (fitness ${bestFitness.toFixed(4)})`,
        `mean ${percent(meanAccuracy)}`,
        `parents ${parents.join(', ')}`,
      ].join('  '),
    );
  } else {
    output.line();
    output.line(table(outcomeRows(event)));
    output.line(
      `\nresults  ${shortPath(join(event.out, 'generations.jsonl'))}, ${shortPath(join(event.out, 'table.md'))}`,
    );
  }
}
