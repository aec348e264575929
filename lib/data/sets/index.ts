/** Every data set by its name: the one list that the command line, configurations, presets, `info` and `fetch` read. */
import { cifar10 } from './cifar10';
import { cifar100 } from './cifar100';
import { emnist } from './emnist';
import { folder } from './folder';
import { fashionMnist, kmnist, mnist } from './mnist';
import { parquet } from './parquet';
import { program } from './program';
import { shapes } from './shapes';
import { svhn } from './svhn';
import { tinyImagenet } from './tiny-imagenet';
import type { DataSource } from './source';

export const sources = {
  shapes,
  cifar10,
  cifar100,
  mnist,
  'fashion-mnist': fashionMnist,
  kmnist,
  emnist,
  svhn,
  'tiny-imagenet': tinyImagenet,
  folder,
  parquet,
  program,
} as const satisfies Record<string, DataSource>;

/** The name of a data set in a configuration: `program` stands for the images that a program hands over. */
export type SourceName = keyof typeof sources;

/** The name of a data set that can be loaded by its name. */
export type DatasetName = Exclude<keyof typeof sources, 'program'>;

export const sourceNames: readonly SourceName[] = Object.keys(sources) as SourceName[];

/** The names of all data sets. */
export const datasetNames: readonly DatasetName[] = sourceNames.filter((name) => name !== 'program');

export type { DataSource } from './source';
