// Studies among the examples: that they are what they say.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseStudy } from '../../lib/cluster/study';
import { checkTrials, trialConfig, trialsOf } from '../../lib/cluster/trials';
import { ENCODERS } from '../../lib/model/description';

describe('the study of input encodings among the examples', () => {
  const path = join(__dirname, '../../examples/input-encodings.json');
  const parsed = parseStudy(JSON.parse(readFileSync(path, 'utf8')), path);
  const trials = trialsOf(parsed);

  test('trains a spiking network with every encoder', () => {
    checkTrials(parsed, trials);
    expect(trials.map(({ parameters }) => parameters['model.encoder']).sort()).toEqual([...ENCODERS].sort());
    for (const trial of trials) expect(trialConfig(parsed, trial).snn.epochs).toBe(4);
  });

  test('with configurations that differ in nothing else', () => {
    const configurations = trials.map((trial) => {
      const config = trialConfig(parsed, trial);
      return { ...config, model: { ...config.model, encoder: null } };
    });
    expect(configurations).toHaveLength(7);
    for (const config of configurations) expect(config).toEqual(configurations[0]);
  });
});
