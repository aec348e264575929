// How the classes fare: confusions and accuracy of each.
import type { RunData } from '../data/run-data';
import { confusion, mistakes, perClass, type ClassScore } from '../data/scores';
import { drawBars } from '../draw/bars';
import { drawMatrix, MOST_CLASSES } from '../draw/matrix';
import { percent } from '../draw/scale';
import { colour } from '../draw/theme';
import type { Figure, Section, Table } from '../figure';
import type { TestRecord } from '../../train/run/test-record';

/** More classes than this are shown as the worst and the best. */
const MOST_BARS = 30;
const MOST_IN_TABLE = 20;
const MOST_MISTAKES = 25;

export function classesSection({ test, missing }: RunData): Section {
  const section = { name: 'classes', title: 'Classes' };
  if (test === null)
    return { ...section, notes: [`Confusions and the accuracy of each class are missing: ${missing}.`], figures: [] };
  const { answers, classes } = test;
  const many = classes.length > MOST_CLASSES;
  const pairs = mistakes(answers, classes.length, MOST_MISTAKES);
  return {
    ...section,
    notes: many
      ? [`${classes.length} classes are too many for a matrix of confusions; the most frequent ones are listed.`]
      : [],
    figures: [...(many ? [] : [matrixFigure(test)]), accuracyFigure(test)],
    tables:
      pairs.length === 0
        ? []
        : [
            {
              title: 'Most frequent confusions',
              table: {
                columns: ['class of the image', 'answer', 'images', 'share of the class'],
                rows: pairs.map(({ label, answer, images, share }) => [
                  classes[label]!,
                  classes[answer]!,
                  { text: String(images), value: images },
                  { text: percent(share), value: share },
                ]),
              },
            },
          ],
  };
}

function matrixFigure({ answers, classes }: TestRecord): Figure {
  const counts = confusion(answers, classes.length);
  const table: Table | undefined =
    classes.length > MOST_IN_TABLE
      ? undefined
      : {
          columns: ['class of the image', ...classes],
          rows: counts.map((row, label) => [classes[label]!, ...row.map((value) => ({ text: String(value), value }))]),
        };
  return {
    name: 'confusion',
    title: 'Confusion matrix',
    caption:
      'Test images of each class (row) by the answer of the network (column). The stronger a colour, the larger its share of the row; the diagonal holds the correct answers.',
    drawing: drawMatrix({ names: classes, counts }),
    ...(table === undefined ? {} : { table }),
  };
}

function accuracyFigure({ answers, classes }: TestRecord): Figure {
  const scores = perClass(answers, classes.length);
  const shareOf = ({ images, right }: ClassScore): number => (images === 0 ? 0 : right / images);
  const order = [...scores].sort((a, b) => shareOf(b) - shareOf(a) || a.label - b.label);
  const some = order.length > MOST_BARS;
  const shown = some ? [...order.slice(0, MOST_BARS / 2), ...order.slice(-MOST_BARS / 2)] : order;
  const chosen =
    ` The ${MOST_BARS / 2} best and the ${MOST_BARS / 2} worst of ${order.length} classes; ` +
    'the numbers are those of all.';
  return {
    name: 'class-accuracy',
    title: 'Accuracy of each class',
    caption: `Share of the test images of a class that are classified correctly.${some ? chosen : ''}`,
    drawing: drawBars({
      most: 1,
      rows: shown.map((score) => ({
        name: classes[score.label]!,
        bars: [
          {
            value: shareOf(score),
            label: percent(shareOf(score)),
            colour: colour('first'),
            title: `${classes[score.label]}: ${score.right} of ${score.images}`,
          },
        ],
      })),
    }),
    table: {
      columns: ['class', 'test images', 'correct', 'accuracy'],
      rows: order.map((score) => [
        classes[score.label]!,
        { text: String(score.images), value: score.images },
        { text: String(score.right), value: score.right },
        { text: percent(shareOf(score), 2), value: shareOf(score) },
      ]),
    },
  };
}
