// From events and answers to what is drawn: the common axis, fewer points, marks of axes, confusions, ranks.
import { confusion, mistakes, perClass, topAccuracy } from '../../lib/pictures/data/scores';
import { MOST_POINTS, pointsOf, reduced, thinned, timelineOf } from '../../lib/pictures/data/series';
import { joules, linearScale, logScale, number } from '../../lib/pictures/draw/scale';
import { AnswerCollector, exampleRows } from '../../lib/train/test/answers';
import { epochs } from './support/runs';

describe('epochs', () => {
  test('follow each other phase by phase on one axis', () => {
    const timeline = timelineOf([...epochs('ann', 3), ...epochs('snn', 2)]);
    expect(timeline.bands).toEqual([
      { phase: 'ann', name: 'ANN', from: 0, epochs: 3 },
      { phase: 'snn', name: 'SNN', from: 3, epochs: 2 },
    ]);
    expect(timeline.epochs.map(({ phase, epoch, x }) => [phase, epoch, x])).toEqual([
      ['ann', 1, 1],
      ['ann', 2, 2],
      ['ann', 3, 3],
      ['snn', 1, 4],
      ['snn', 2, 5],
    ]);
  });

  test('become points without those that lack the quantity', () => {
    const { epochs: all } = timelineOf(epochs('ann', 3));
    expect(pointsOf(all, ({ epoch }) => (epoch === 2 ? null : epoch / 10))).toEqual([
      { x: 1, y: 0.1 },
      { x: 3, y: 0.3 },
    ]);
  });

  test('10,000 of them become at most 600 points that keep every peak, the first and the last', () => {
    const points = Array.from({ length: 10_000 }, (_, x) => ({ x, y: Math.sin(x / 50) }));
    points[4321] = { x: 4321, y: 9 };
    points[8765] = { x: 8765, y: -9 };
    const fewer = reduced(points);
    expect(fewer.length).toBeLessThanOrEqual(MOST_POINTS);
    expect(fewer[0]).toEqual(points[0]);
    expect(fewer.at(-1)).toEqual(points.at(-1));
    expect(fewer).toEqual(expect.arrayContaining([points[4321], points[8765]]));
    expect(fewer.every(({ x }, i) => i === 0 || x > fewer[i - 1]!.x)).toBe(true);
    expect(reduced(points.slice(0, MOST_POINTS))).toHaveLength(MOST_POINTS);
  });

  test('thinned lists keep their ends', () => {
    expect(thinned([1, 2, 3], 3)).toEqual([1, 2, 3]);
    expect(thinned([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 3)).toEqual([0, 5, 10]);
  });
});

describe('axes', () => {
  test.each([
    [
      [0, 0.98],
      [0, 0.2, 0.4, 0.6, 0.8, 1],
    ],
    [
      [0, 2.36],
      [0, 0.5, 1, 1.5, 2, 2.5],
    ],
    [[0, 0], [0]],
    [
      [3, 3],
      [3, 3.5, 4, 4.5, 5, 5.5, 6],
    ],
  ] as [[number, number], number[]][])('of %j have marks at whole steps', (range, ticks) => {
    const scale = linearScale(range, [100, 0]);
    expect(scale.ticks.slice(0, ticks.length)).toEqual(ticks);
    expect(scale.ticks.every(Number.isFinite)).toBe(true);
    expect(scale.at(scale.ticks[0]!)).toBe(100);
  });

  test('of rates have marks at powers of ten', () => {
    const scale = logScale([2e-5, 0.02], [0, 100]);
    expect(scale.ticks).toEqual([1e-5, 1e-4, 1e-3, 0.01, 0.1]);
    expect(scale.at(1e-5)).toBeCloseTo(0);
    expect(scale.at(0.1)).toBeCloseTo(100);
    expect(logScale([0.001, 0.001], [0, 1]).ticks).toEqual([0.001, 0.002, 0.005, 0.01]);
  });

  test('numbers are written as people read them', () => {
    expect([0, 0.25, 12.3456, 1234.5, 0.00002, -3, 2.5e12].map(number)).toEqual([
      '0',
      '0.25',
      '12.35',
      '1,235',
      '2e-5',
      '-3',
      '2.5e12',
    ]);
    expect([0, 12.7e6, 909e3, 5].map(joules)).toEqual(['0 pJ', '12.7 µJ', '909 nJ', '5 pJ']);
  });
});

describe('answers', () => {
  // Three classes, five images.
  const labels = Int32Array.of(0, 1, 2, 0, 1);
  const logits = [
    [2, 1, 0],
    [1, 1, 0],
    [0, 5, 1],
    [0, 0, 9],
    [0, 3, 0],
  ];
  const collected = (): AnswerCollector['answers'] => {
    const collector = new AnswerCollector(labels, 3);
    // In batches of three and two.
    collector.add(Float32Array.from(logits.slice(0, 3).flat()));
    collector.add(Float32Array.from(logits.slice(3).flat()));
    return collector.answers;
  };

  test('hold prediction, rank and probability of every label', () => {
    const { predictions, ranks, probabilities } = collected();
    // Of equal logits the first is the prediction, as in a forward pass.
    expect([...predictions]).toEqual([0, 0, 1, 2, 1]);
    expect([...ranks]).toEqual([0, 1, 1, 1, 0]);
    const softmax = logits.map((row, i) => Math.exp(row[labels[i]!]!) / row.reduce((sum, x) => sum + Math.exp(x), 0));
    softmax.forEach((value, i) => expect(probabilities[i]).toBeCloseTo(value, 6));
  });

  test('become confusions, accuracies per class and top-k accuracies', () => {
    const answers = collected();
    expect(confusion(answers, 3)).toEqual([
      [1, 0, 1],
      [1, 1, 0],
      [0, 1, 0],
    ]);
    expect(perClass(answers, 3)).toEqual([
      { label: 0, images: 2, right: 1 },
      { label: 1, images: 2, right: 1 },
      { label: 2, images: 1, right: 0 },
    ]);
    expect([1, 2, 3].map((k) => topAccuracy(answers, k))).toEqual([0.4, 1, 1]);
    expect(mistakes(answers, 3, 2)).toEqual([
      { label: 0, answer: 2, images: 1, share: 0.5 },
      { label: 1, answer: 0, images: 1, share: 0.5 },
    ]);
  });

  test('name the worst and the best images, of different classes first', () => {
    const answers = collected();
    const order = Array.from(labels.keys()).sort((a, b) => answers.probabilities[a]! - answers.probabilities[b]!);
    expect(exampleRows(answers, 'worst', 3)).toEqual([3, 2, 1]);
    expect(exampleRows(answers, 'worst', 5)).toEqual(order);
    expect(exampleRows(answers, 'best', 1)).toEqual([4]);
    // The second best is of class 0: the other image of class 1 waits.
    expect(exampleRows(answers, 'best', 2)).toEqual([4, 0]);
  });
});
