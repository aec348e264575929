// Every data set by its name: the one list that the command line, configurations, presets, `info` and `fetch` read.
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

// A data set is loaded when it is asked for, and a list of the names loads none.
export const sources = {
  get shapes() {
    return shapes;
  },
  get cifar10() {
    return cifar10;
  },
  get cifar100() {
    return cifar100;
  },
  get mnist() {
    return mnist;
  },
  get 'fashion-mnist'() {
    return fashionMnist;
  },
  get kmnist() {
    return kmnist;
  },
  get emnist() {
    return emnist;
  },
  get svhn() {
    return svhn;
  },
  get 'tiny-imagenet'() {
    return tinyImagenet;
  },
  get folder() {
    return folder;
  },
  get parquet() {
    return parquet;
  },
  get program() {
    return program;
  },
} as const satisfies Record<string, DataSource>;

/** The name of a data set in a configuration: `program` stands for the images that a program hands over. */
export type SourceName = keyof typeof sources;

/** The name of a data set that can be loaded by its name. */
export type DatasetName = Exclude<keyof typeof sources, 'program'>;

export const sourceNames: readonly SourceName[] = Object.keys(sources) as SourceName[];

/** The names of all data sets. */
export const datasetNames: readonly DatasetName[] = sourceNames.filter((name) => name !== 'program');

export type { DataSource } from './source';
