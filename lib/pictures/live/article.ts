// One run as a part of the live page: where it stands, and the pictures of its report.
import { escaped } from '../../io/markup';
import { shellWord } from '../../io/paths';
import type { RunData } from '../data/run-data';
import { phaseNames, topEpoch } from '../data/series';
import { number, percent } from '../draw/scale';
import { element } from '../draw/svg';
import { prefixed, type Section } from '../figure';
import { duration, resultTiles, sectionHtml, tilesHtml, type Tile } from '../page';
import { sectionsOf } from '../sections/all';
import type { RunFollower, RunState } from './follower';

/** What a person calls a run: the last part of its path. */
export function runName(path: string): string {
  return path.split('/').findLast((part) => part !== '') ?? path;
}

const stateNames: Record<RunState, string> = {
  waiting: 'not begun yet',
  running: 'running',
  finished: 'finished',
  interrupted: 'interrupted',
  killed: 'killed',
};

/** Pictures that need the record of the test images. */
const atEnd = ['classes', 'energy', 'images'];

/** Where a run stands in the page, and what is wrong with what it has recorded, where nothing else can be drawn. */
export function brokenHtml({ path }: RunFollower, id: string, error: unknown): string {
  return `<article id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${escaped(runName(path))}</h2>
<p class="problem">${escaped((error as Error).message)}</p></article>`;
}

/**
 * `id` is the anchor; anchors within it begin with `prefix`. `colour` is that of the run in comparisons, if there are
 * any.
 */
export function articleHtml(
  follower: RunFollower,
  { id, prefix, colour }: { id: string; prefix: string; colour: string | null },
): string {
  const { data, state, path, problem } = follower;
  const name = runName(path);
  const swatch =
    colour === null
      ? ''
      : element(
          'svg',
          { class: 'swatch', viewBox: '0 0 12 12', 'aria-hidden': 'true' },
          element('rect', { width: 12, height: 12, rx: 2, fill: colour }),
        );
  const parts = [
    `<h2 id="${id}-title">${swatch}${escaped(name)} <span class="state" data-state="${state}">${stateNames[state]}</span></h2>`,
    ...(problem === null ? [] : [`<p class="problem">${escaped(problem)}</p>`]),
    ...(data === undefined
      ? [`<p class="note">Waiting for a run in ${escaped(path)}.</p>`]
      : runParts(follower, data, prefix)),
  ];
  const spoken = `${name}: ${stateNames[state]}${state === 'running' ? `, ${phaseOf(data)}` : ''}`;
  return `<article id="${id}" aria-labelledby="${id}-title" data-spoken="${escaped(spoken)}">
${parts.join('\n')}
</article>`;
}

function runParts(follower: RunFollower, data: RunData, prefix: string): string[] {
  const { info } = data.run;
  const about = `${info.network.name} on ${info.dataset.name}, T = ${info.network.timesteps}, seed ${info.seed}`;
  const sections = sectionsOf(data).map((section) => prefixed(section, prefix));
  const [last] = sections.splice(-1);
  return [
    `<p class="quiet">${escaped(about)}</p>`,
    progressHtml(follower, data),
    tilesHtml([...epochTiles(data), ...resultTiles(data)]),
    ...sections.filter((section) => !isEmpty(section, data)).map((section) => sectionHtml(section, 3)),
    ...(data.test === null
      ? [
          '<p class="note">Spike times, confusions, energy and the maps of single images come when the run has ended.</p>',
        ]
      : []),
    `<details class="about"><summary>Configuration and machine</summary>\n${sectionHtml(last!, 3)}\n</details>`,
  ];
}

/** Whether a section would only say that the run has not ended. */
function isEmpty({ kind = '' }: Section, { test }: RunData): boolean {
  return test === null && atEnd.includes(kind);
}

/** Where the run stands, and what is to be done with one that stands still. */
function progressHtml({ state, path, lastEpoch }: RunFollower, data: RunData): string {
  const last = data.timeline.epochs.at(-1);
  const parts: string[] = [];
  if (last !== undefined && state !== 'finished') {
    parts.push(`${phaseNames[last.phase]}, epoch ${last.epoch} of ${last.epochs}`);
    const left = secondsLeft(data);
    if (state === 'running' && left > 0) parts.push(`about ${duration(left)} left in this phase`);
  }
  if (state === 'running' && last === undefined) parts.push('the first epoch is not over yet');
  const text = parts.length === 0 ? '' : `${parts.join(', ')}. `;
  const share =
    last === undefined || state === 'finished'
      ? ''
      : `<progress max="${last.epochs}" value="${last.epoch}" aria-label="Epochs of this phase"></progress>`;
  const time =
    lastEpoch === null ? '' : `Last written ${new Date(lastEpoch).toISOString().slice(0, 19).replace('T', ' ')} UTC. `;
  const advice =
    state === 'interrupted' || state === 'killed'
      ? `Continue by <code>onespike resume ${escaped(shellWord(path))}</code>`
      : '';
  return `<p class="progress">${escaped(text)}${time}${advice}</p>${share}`;
}

/** The phase that was last heard of. */
function phaseOf(data: RunData | undefined): string {
  const last = data?.timeline.epochs.at(-1);
  return last === undefined ? 'first epoch' : phaseNames[last.phase];
}

/** Epochs whose mean tells how long the next ones take. */
const RECENT = 5;

function secondsLeft({ timeline }: RunData): number {
  const last = timeline.epochs.at(-1)!;
  const some = timeline.epochs.slice(-RECENT).filter(({ phase }) => phase === last.phase);
  if (last.stopsEarly) return 0;
  return ((last.epochs - last.epoch) * some.reduce((sum, { seconds }) => sum + seconds, 0)) / some.length;
}

/** Of a run that has not ended, the numbers of its last epoch. */
function epochTiles({ results, timeline }: RunData): Tile[] {
  const last = timeline.epochs.at(-1);
  if (results !== undefined || last === undefined) return [];
  const tiles: Tile[] = [['training loss', number(last.trainLoss), last.trainLoss]];
  const best = topEpoch(timeline.epochs)?.validationAccuracy ?? null;
  if (last.validationAccuracy !== null && best !== null) {
    tiles.push(
      ['validation', percent(last.validationAccuracy, 2), last.validationAccuracy],
      ['best validation', percent(best, 2), best],
    );
  } else tiles.push(['training accuracy', percent(last.trainAccuracy, 2), last.trainAccuracy]);
  if (last.layers.length > 0) tiles.push(['spikes per neuron', last.spikesPerNeuron.toFixed(3), last.spikesPerNeuron]);
  tiles.push(['images per second', number(last.imagesPerSecond), last.imagesPerSecond]);
  return tiles;
}
