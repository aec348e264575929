// Joules from counted operations: constants, bytes, and the tables that are printed.
import { ARITHMETIC, countOperations, energyAccount, formatEnergyTable } from '../../../lib/energy';
import { resolveNetwork } from '../../../lib/model/description';

describe('energyAccount', () => {
  const network = resolveNetwork({
    name: 'tiny',
    input: [1, 4, 4],
    timesteps: 3,
    layers: [
      { type: 'conv', out: 2, kernel: 3 },
      { type: 'linear', out: 3, output: true },
    ],
  });
  const maps = new Map([['layers.0', Uint8Array.from({ length: 32 }, (_, i) => (i < 8 ? 2 : 0))]]);
  const report = energyAccount(network, countOperations(network, new Uint8Array(16), maps));

  test('computes the energy of both accounts and all constants', () => {
    const dense = 2 * 10 * 10; // (2·2 + 2·3)² windows of two channels
    expect(report.total).toEqual({
      annMacs: dense + 96,
      macs: dense,
      scheduleMacs: 0,
      accumulates: dense + 24,
      events: 16 + 8,
      spikes: 8,
      spikesPerNeuron: 0.25,
    });
    expect(report.accounts.map((entry) => `${entry.account}/${entry.constants.name}`)).toEqual(
      ['compute', 'compute+memory'].flatMap((name) =>
        ['int32', 'fp32', 'fp16', 'int8'].map((format) => `${name}/${format}`),
      ),
    );
    for (const entry of report.accounts.slice(0, 4)) {
      const { macPicojoules, accumulatePicojoules } = ARITHMETIC[entry.constants.name];
      expect(entry.annPicojoules).toBeCloseTo(296 * macPicojoules, 9);
      expect(entry.snnPicojoules).toBeCloseTo(200 * macPicojoules + 224 * accumulatePicojoules, 9);
      expect(entry.ratio).toBeCloseTo(entry.annPicojoules / entry.snnPicojoules, 12);
      expect(entry.constants.memory).toBeNull();
    }
    expect(report.headline).toBe(report.accounts[0]);
    expect(report.headline.constants).toMatchObject({ name: 'int32', macPicojoules: 3.2, accumulatePicojoules: 0.1 });
  });

  test('adds the bytes that are moved', () => {
    const [fp16, int8] = [report.accounts[6]!, report.accounts[7]!];
    expect(fp16.constants.memory).toMatchObject({ name: 'sram-32k', picojoulesPerByte: 2.5, eventBytes: 4 });
    const updates = 8 * 2 + 24 * 3 + 3 * 3;
    expect(fp16.annPicojoules).toBeCloseTo(296 * 1.5 + 2.5 * (296 * 4 + 35 * 2), 9);
    expect(fp16.snnPicojoules).toBeCloseTo(
      200 * 1.5 + 224 * 0.4 + 2.5 * (200 * 4 + 224 * 6 + updates * 4 + (24 + 8) * 4),
      9,
    );
    expect(int8.snnPicojoules).toBeCloseTo(
      200 * 0.23 + 224 * 0.03 + 2.5 * (200 * 2 + 224 * 9 + updates * 8 + 32 * 4),
      9,
    );
    expect(fp16.layers.reduce((sum, layer) => sum + layer.snnPicojoules, 0)).toBeCloseTo(fp16.snnPicojoules, 9);
    const dear = energyAccount(network, countOperations(network, new Uint8Array(16), maps), { memory: 'dram' });
    expect(dear.accounts[6]!.annPicojoules).toBeCloseTo(296 * 1.5 + 162.5 * (296 * 4 + 35 * 2), 6);
    expect(dear.headline).toEqual(report.headline);
  });

  test('gives no ratio where the spiking network used no energy', () => {
    const quiet = countOperations(network, new Uint8Array(16), new Map([['layers.0', new Uint8Array(32)]]));
    const { headline } = energyAccount(network, quiet);
    expect(headline.layers[1]).toMatchObject({ snnPicojoules: 0, ratio: null });
  });

  test('survives JSON and refuses an unknown memory', () => {
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(() =>
      energyAccount(network, countOperations(network, new Uint8Array(16), maps), { memory: 'hbm' as 'dram' }),
    ).toThrow(expect.objectContaining({ code: 'ERR_ARG' }));
  });

  test('prints as tables that name constants and accounts', () => {
    const text = formatEnergyTable(report);
    const lines = text.split('\n');
    expect(lines[0]).toBe('tiny: operations per image, mean of 1 (T = 3, hybrid input)');
    expect(lines[2]).toMatch(/^0 conv +200 +200 +200 +0\.250 +0\.9697$/);
    expect(lines[4]).toMatch(/^total +296 +200 +224 +0\.250 +1\.430$/);
    expect(text).toMatch(/compute\+memory {2}int8 +0\.23 +0\.03 +2\.5 +/);
    expect(text).toContain('ISSCC 2014');
    expect(text.endsWith('\n')).toBe(false);
  });
});
