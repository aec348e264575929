// One Parquet file with a column of pictures and one of labels, as Hugging Face lays them.
import { isOneSpikeError, OneSpikeError } from '../../../errors';
import { InputFile } from '../../../io/binary/input-file';
import { arrowNotes } from './arrow';
import { compressors, type Hyparquet, type ParquetBuffer, type ParquetMetadata, type SchemaElement } from './hyparquet';
import { checkPages, MOST_ROWS, placeOf } from './pages';
import { checkStructure, FILE_METADATA } from './thrift';

/**
 * The description of a file: a schema, and for each column of each group of rows some hundred bytes, or several
 * thousand with statistics. Each byte of an empty structure takes sixty in memory.
 */
const MOST_METADATA = 2 ** 24;
const imageNames = ['image', 'img', 'picture', 'pixels'];
const labelNames = ['label', 'labels', 'fine_label', 'target', 'class', 'category'];

/** What is known of a file without its rows. */
export interface ParquetFile {
  path: string;
  rows: number;
  /** The first row of every group, and the end. */
  bounds: number[];
  image: string;
  label: string;
  /** The names of the classes, where the file has them. */
  classes: string[] | undefined;
  metadata: ParquetMetadata;
}

/** One row: the bytes of a picture file, and a label. */
export interface Row {
  place: string;
  bytes: Uint8Array | undefined;
  label: unknown;
}

/** Errors: ERR_FORMAT, ERR_IO. */
export function openParquet(path: string, hyparquet: Hyparquet): Promise<ParquetFile> {
  return InputFile.use(path, (file) =>
    coded(file, async () => {
      const tail = Buffer.from((await file.read(Math.max(0, file.size - 8), Math.min(8, file.size))).buffer);
      if (tail.toString('latin1', 4) !== 'PAR1') throw new Error('another end than PAR1');
      const described = tail.readUInt32LE(0);
      if (described > Math.min(MOST_METADATA, file.size - 8)) throw new Error(`a description of ${described} bytes`);
      checkStructure(await file.read(file.size - 8 - described, described), FILE_METADATA);
      const metadata = await hyparquet.parquetMetadataAsync(bufferOf(file));
      const bounds = [0];
      for (const { num_rows: rows } of metadata.row_groups) {
        if (!(rows >= 0n && rows <= BigInt(MOST_ROWS))) throw new Error(`a group of ${rows} rows`);
        bounds.push(bounds.at(-1)! + Number(rows));
      }
      const rows = bounds.at(-1)!;
      if (rows !== Number(metadata.num_rows) || rows > 4 * MOST_ROWS) throw new Error(`groups of ${rows} rows`);
      const columns = topColumns(metadata.schema);
      const features = featuresOf(metadata);
      const image = chooseColumn(columns, features, 'Image', imageNames);
      const label = chooseColumn(columns, features, 'ClassLabel', labelNames);
      if (image === undefined || label === undefined)
        throw new Error(`no column of ${image === undefined ? 'pictures' : 'labels'} among ${columns.join(', ')}`);
      const classes = features[label]?.names;
      const named = Array.isArray(classes) && classes.length > 0 && classes.every((name) => typeof name === 'string');
      return { path, rows, bounds, image, label, classes: named ? (classes as string[]) : undefined, metadata };
    }),
  );
}

/** The rows of one group; without `pictures` their labels alone. Errors: ERR_FORMAT, ERR_IO. */
export function readGroup(
  { path, bounds, image, label, metadata }: ParquetFile,
  group: number,
  pictures: boolean,
  hyparquet: Hyparquet,
): Promise<Row[]> {
  return InputFile.use(path, (file) =>
    coded(file, async () => {
      const columns = pictures ? [image, label] : [label];
      const [rowStart, rowEnd] = [bounds[group]!, bounds[group + 1]!];
      for (const chunk of metadata.row_groups[group]!.columns) {
        if (!columns.includes(chunk.meta_data?.path_in_schema[0] ?? '')) continue;
        const { start, size } = placeOf(chunk, rowEnd - rowStart, file.size);
        checkPages(await file.read(start, size), rowEnd - rowStart, hyparquet);
      }
      let rows: Record<string, unknown>[] = [];
      await hyparquet.parquetRead({
        file: bufferOf(file),
        metadata,
        columns,
        rowStart,
        rowEnd,
        utf8: false,
        rowFormat: 'object',
        compressors: compressors(hyparquet),
        onComplete: (read) => {
          rows = read;
        },
      });
      if (rows.length !== rowEnd - rowStart) throw new Error(`${rows.length} rows of ${rowEnd - rowStart}`);
      return rows.map((row, i) => ({
        place: `row ${rowStart + i} of ${path}`,
        bytes: bytesOf(row[image]),
        label: row[label],
      }));
    }),
  );
}

/** Turns whatever the package throws about a file into ERR_FORMAT. */
async function coded<T>(file: InputFile, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isOneSpikeError(error) || (error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    throw new OneSpikeError(
      'ERR_FORMAT',
      `Expected an intact Parquet file of pictures and labels in ${file.path} but received ${(error as Error).message}`,
      { cause: error },
    );
  }
}

function bufferOf(file: InputFile): ParquetBuffer {
  return {
    byteLength: file.size,
    slice: async (start, end = file.size) => {
      if (!(start >= 0 && end >= start && end <= file.size)) throw new Error(`bytes ${start} to ${end}`);
      return (await file.read(start, end - start)).buffer;
    },
  };
}

/**
 * The names of the columns; those within a column follow it. Throws an Error for a list, whose rows would be several.
 */
function topColumns(schema: readonly SchemaElement[]): string[] {
  const names: string[] = [];
  let inside = 0;
  for (const { name, num_children: children = 0 } of schema.slice(1)) {
    if (inside > 0) inside--;
    else names.push(name);
    inside += children;
  }
  return names;
}

interface Feature {
  _type?: unknown;
  names?: unknown;
}

/** What the library of Hugging Face notes about the columns. */
function featuresOf({ key_value_metadata: pairs }: ParquetMetadata): Record<string, Feature | undefined> {
  const noted = (wanted: string): string | undefined => pairs?.find(({ key }) => key === wanted)?.value;
  const arrow = noted('ARROW:schema');
  const notes = arrow === undefined ? undefined : arrowNotes(arrow);
  // Arrow takes these, and writers who note nothing in its schema note the columns beside it.
  const text = notes !== undefined && notes.size > 0 ? notes.get('huggingface') : noted('huggingface');
  if (text === undefined) return {};
  const { info } = JSON.parse(text) as { info?: { features?: Record<string, Feature> } };
  return { ...info?.features };
}

function chooseColumn(
  columns: readonly string[],
  features: Record<string, Feature | undefined>,
  type: string,
  names: readonly string[],
): string | undefined {
  const typed = columns.filter((name) => features[name]?._type === type);
  const known = names.find((name) => (typed.length > 0 ? typed : columns).includes(name));
  return known ?? typed[0];
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  const bytes = (value as { bytes?: unknown } | null | undefined)?.bytes;
  return bytes instanceof Uint8Array ? bytes : undefined;
}
