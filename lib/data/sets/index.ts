/** Every data set by its name: the one list that the command line, configurations, presets, `info` and `fetch` read. */
import { cifar10 } from './cifar10';
import { cifar100 } from './cifar100';
import { folder } from './folder';
import { mnist } from './mnist';
import { shapes } from './shapes';
import type { DataSource } from './source';

export const sources = { shapes, cifar10, cifar100, mnist, folder } as const satisfies Record<string, DataSource>;

/** The name of a data set. */
export type DatasetName = keyof typeof sources;

/** The names of all data sets. */
export const datasetNames: readonly DatasetName[] = Object.keys(sources) as DatasetName[];

export type { DataSource } from './source';
