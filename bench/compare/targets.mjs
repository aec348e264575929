// What is wanted of the ratios, and whether it was reached.

/**
 * The row of a comparison with a program ('onespike' for one with itself) in a mode of ours; undefined if it was not
 * measured.
 *
 * @typedef {import('./rows.mjs').Row} Row
 * @typedef {(rows: readonly Row[]) => number | null} Reading
 * @typedef {{ what: string, wanted: number, atLeast: boolean, read: Reading }} Target
 * @typedef {Omit<Target, 'read'> & { model: string, value: number | null, reached: boolean | null }} Judged
 *
 * @param {readonly Row[]} rows
 * @param {{ name: string, program: string, model?: string, mode?: string }} wanted
 */
function find(rows, wanted) {
  const { name, model, program, mode } = wanted;
  return rows.find(
    (row) =>
      row.name === name &&
      (model === undefined || row.model === model) &&
      row.other?.timing.program === program &&
      (mode === undefined || row.ours.timing.mode === mode),
  );
}

/** @param {Row | undefined} row */
const rate = (row) => row?.ratio ?? null;
/** @param {Row | undefined} row */
const slower = (row) => {
  const measured = rate(row);
  return measured === null ? null : 1 / measured;
};
/** @param {Row | undefined} row */
const memory = (row) => row?.memory ?? null;

/**
 * One target: what it is called, the least or the most that is wanted, and how it is read from the rows (null: not
 * measured).
 *
 * @type {(what: string, wanted: number, read: Reading) => Target}
 */
const atLeast = (what, wanted, read) => ({ what, wanted, atLeast: true, read });
/** @type {typeof atLeast} */
const atMost = (what, wanted, read) => ({ what, wanted, atLeast: false, read });

/** @param {string} model */
function targetsOf(model) {
  /** @type {(name: string, program: string, mode?: string) => (rows: readonly Row[]) => Row | undefined} */
  const row = (name, program, mode) => (rows) =>
    find(rows, { name, model, program, ...(mode === undefined ? {} : { mode }) });
  /** @type {(read: (rows: readonly Row[]) => Row | undefined, pick: (row: Row | undefined) => number | null) => Reading} */
  const of = (read, pick) => (rows) => pick(read(rows));
  const deep = model === 'vgg16';
  const list = [
    atLeast('inference / PyTorch', deep ? 20 : 15, of(row('infer', 'pytorch'), rate)),
    atLeast("inference / onnxruntime's ANN", deep ? 2.5 : 1.7, of(row('infer', 'onnxruntime'), rate)),
    atLeast('training / PyTorch', 5, of(row('train', 'pytorch'), rate)),
    atLeast('mixed training / PyTorch in fp32', 7, of(row('mixed', 'pytorch'), rate)),
    atLeast('ANN training / PyTorch', 1, of(row('ann-train', 'pytorch-ann'), rate)),
    atLeast('mixed ANN training / PyTorch in bf16', 1.2, of(row('ann-mixed', 'pytorch-ann'), rate)),
    atMost('working set of inference / PyTorch', 1 / 8, of(row('infer', 'pytorch'), memory)),
    atMost('working set of training / PyTorch', 1 / 8, of(row('train', 'pytorch'), memory)),
    atMost('time of 4 T steps / T, inference', 1.5, of(row('steps', 'onespike', 'infer'), slower)),
    atMost('time of 4 T steps / T, training', 2, of(row('steps', 'onespike', 'train'), slower)),
    atMost('working set of 4 T steps / T, inference', 1.5, of(row('steps', 'onespike', 'infer'), memory)),
    atMost('working set of 4 T steps / T, training', 1.5, of(row('steps', 'onespike', 'train'), memory)),
    atLeast('threads / 1 thread, inference', 1.9, of(row('threads', 'onespike', 'infer'), rate)),
    atLeast('threads / 1 thread, training', 1.9, of(row('threads', 'onespike', 'train'), rate)),
    atLeast('inference / PyTorch at half the activity, over that at the whole', 1.5, (rows) => {
      const half = rate(row('activity', 'pytorch')(rows));
      const whole = rate(row('infer', 'pytorch')(rows));
      return half === null || whole === null ? null : half / whole;
    }),
  ];
  return deep
    ? [...list, atLeast("rate of single images / onnxruntime's ANN", 1, of(row('latency', 'onnxruntime'), rate))]
    : list;
}

/**
 * Every target with what was measured; `reached` is null where it was not.
 *
 * @param {readonly Row[]} rows
 * @param {readonly string[]} models
 * @returns {Judged[]}
 */
export function judge(rows, models) {
  const judged = models.flatMap((model) => targetsOf(model).map((target) => ({ model, ...target })));
  if (rows.some(({ name }) => name === 'run'))
    judged.push({
      model: 'run',
      ...atLeast('training on a trained network / PyTorch', 8, (all) =>
        rate(find(all, { name: 'run', program: 'pytorch' })),
      ),
    });
  return judged.map(({ model, what, wanted, atLeast: least, read }) => {
    const value = read(rows);
    return {
      model,
      what,
      wanted,
      atLeast: least,
      value,
      reached: value === null ? null : least ? value >= wanted : value <= wanted,
    };
  });
}
