// Configuration, versions and machine: what one needs to repeat the run.
import type { RunData } from '../data/run-data';
import type { Section } from '../figure';

export function aboutSection({ run }: RunData): Section {
  const { info } = run;
  const { host, dataset, network } = info;
  const hosts = [...(info.earlierHosts ?? []), host];
  const rows: [string, string][] = [
    ['run', run.path],
    ['begun', info.created],
    ['onespike', info.version],
    ['seed', String(info.seed)],
    ['backend', [...(info.earlierBackends ?? []), info.backend].join(', then ')],
    ['precision', info.precision ?? info.config.precision ?? 'fp32'],
    [
      'network',
      `${network.name}, T = ${network.timesteps}, encoder ${network.encoder}, surrogate ${network.surrogate}`,
    ],
    [
      'images',
      `${dataset.name}: ${dataset.train} to train, ${dataset.validation} to validate, ${dataset.test} to test`,
    ],
    ...(dataset.hash === undefined
      ? []
      : [['SHA-256 of the test images', dataset.hash.test] satisfies [string, string]]),
    ['machine', hosts.map(({ name }) => name).join(', then ')],
    ['processor', `${host.cpu}, ${host.cores} cores, ${host.simd}`],
    ['memory', `${(host.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
    ['system', `${host.platform}, Node.js ${host.node}`],
    ...(info.changes ?? []).map(({ time, at, set }): [string, string] => [
      `changed ${time}`,
      `${Object.entries(set)
        .map(([key, { from, to }]) => `${key}: ${JSON.stringify(from)} → ${JSON.stringify(to)}`)
        .join('; ')} (at ${at.stage}, epoch ${at.epoch}, step ${at.step})`,
    ]),
  ];
  return {
    name: 'about',
    title: 'Configuration and machine',
    notes: [],
    figures: [],
    tables: [{ title: 'Versions and machine', table: { columns: ['property', 'value'], rows } }],
    code: { title: 'Configuration', text: JSON.stringify(info.config, null, 2) },
  };
}
