// Examples of the documents that `test/examples` does not carry out, each with the reason.

export interface Exception {
  file: string;
  /** How the block, or one command of it, begins. */
  start: string;
  reason: string;
  /** The test that carries it out in its own way, if there is one. */
  test?: string;
}

const bundled = (start: string): Exception => ({
  file: 'docs/BUNDLERS.md',
  start,
  reason: 'needs bundlers from the registry',
  test: 'test/package/bundlers.test.ts',
});
const recipe = (start: string, reason: string): Exception => ({
  file: 'docs/RECIPES.md',
  start,
  reason,
  test: 'test/examples/recipes.test.ts',
});
const cluster = (start: string, reason: string, test?: string): Exception => ({
  file: 'docs/CLUSTERS.md',
  start,
  reason,
  ...(test !== undefined && { test: `test/cluster/ranks/${test}.test.ts` }),
});

export const exceptions: Exception[] = [
  { file: 'README.md', start: 'npm install', reason: 'needs the registry', test: 'test/package/package.test.ts' },
  ...['import { Network } from', 'npx ', 'export default {', 'node --permission'].map(bundled),
  {
    file: 'docs/CLI.md',
    start: 'onespike train [PRESET',
    reason: 'is a synopsis',
    test: 'test/cli/documented-names.test.ts',
  },
  ...['FROM node:22', 'docker ', 'npx onespike export', 'curl '].map((start) => recipe(start, 'needs Docker')),
  ...['npx onespike sweep', 'sbatch '].map((start) => recipe(start, 'needs Slurm')),
  ...['import json', 'python3 '].map((start) => recipe(start, 'needs Python')),
  ...['import { spawn }', 'node '].map((start) => recipe(start, 'starts npx twenty times')),
  recipe('name: smoke', 'needs GitHub'),
  cluster('apt-get install', 'changes the machine'),
  cluster('npx onespike mpi build', 'needs an MPI', 'communicator'),
  ...['npx onespike train vgg9 --ranks', 'mpirun -n 4'].map((start) => cluster(start, 'needs an MPI', 'train')),
  ...['cat hosts', 'mpirun --hostfile'].map((start) => cluster(start, 'needs two hosts', 'hosts')),
  cluster('#!/bin/bash', 'needs Slurm', 'parts'),
  cluster('FROM node:22', 'needs Docker'),
  cluster('apiVersion: kubeflow', 'needs Kubernetes'),
  ...(
    [
      ['docs/CLI.md', 'npx onespike train --minutes'],
      ['docs/CLI.md', 'npx onespike train vgg9 --minutes'],
      ['docs/RESULTS.md', 'npx onespike train --minutes'],
    ] as const
  ).map(([file, start]) => ({
    file,
    start,
    reason: 'measures the machine, which other tests keep busy',
    test: 'test/train/scaled/minutes.test.ts',
  })),
  ...['npx onespike bench vgg16', 'npx onespike bench vgg9 train'].map((start) => ({
    file: 'docs/CLI.md',
    start,
    reason: 'draws the weights of a large network, which takes seconds',
    test: 'test/cli/bench.test.ts',
  })),
  { file: 'docs/PERFORMANCE.md', start: 'npm run bench:compare', reason: 'needs PyTorch and an idle machine' },
  {
    file: 'docs/SCALING.md',
    start: 'npm run bench:scaling',
    reason: 'needs an MPI, an idle machine and minutes',
    test: 'test/bench/scaling.test.ts',
  },
  ...[
    'npx onespike train vgg7 --budget cpu --dataset cifar100',
    'npx onespike train vgg7 --budget cpu --dataset cifar10 --data DIR --init',
    'npx onespike train vgg7 --budget cpu --dataset cifar10 --data DIR --set ann.distillation',
    'npx onespike train vgg7-ttfs',
    'npx onespike train vgg7-radix',
    'npx onespike compare RUN',
    'npx onespike train vgg16 --budget cpu',
    'npx onespike resume runs/binary --set binary.augment.mixup',
    'npx onespike genes runs/dense-binary',
    'npx onespike genes runs/dense11',
    'npx onespike eval snn.safetensors',
    'npx onespike energy snn.safetensors',
  ].map((start) => ({
    file: 'docs/RESULTS.md',
    start,
    reason: 'needs the ANN of another run',
  })),
  {
    file: 'docs/CLI.md',
    start: 'npx onespike compare runs/tuned',
    reason: 'needs a run that began with another one',
    test: 'test/codes/compare.test.ts',
  },
  {
    file: 'docs/RESULTS.md',
    start: 'npx onespike train vgg11 --budget cpu',
    reason: 'trains a large network, whose steps take seconds',
  },
  {
    file: 'docs/RESULTS.md',
    start: 'npm run evidence',
    reason: 'trains for an hour',
    test: 'test/evidence/table.test.ts',
  },
  { file: 'docs/RESULTS.md', start: 'npm start', reason: 'installs and builds; tests run on what it has built' },
  ...['scripts/gpu-pack.sh', 'scripts/gpu-first-light.sh'].map((start) => ({
    file: 'docs/design/cuda.md',
    start,
    reason: 'needs a machine with a GPU',
  })),
];
