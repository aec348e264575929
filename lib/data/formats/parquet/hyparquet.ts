// The optional package hyparquet, which reads Parquet files.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import zlib from 'node:zlib';

import { OneSpikeError } from '../../../errors';
import { leb128 } from './leb128';

export interface ParquetBuffer {
  byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

export interface SchemaElement {
  name: string;
  num_children?: number;
  repetition_type?: string;
}

export interface ColumnChunk {
  meta_data?: {
    path_in_schema: string[];
    codec: string;
    num_values: bigint;
    total_uncompressed_size: bigint;
    total_compressed_size: bigint;
    data_page_offset: bigint;
    dictionary_page_offset?: bigint;
  };
}

export interface ParquetMetadata {
  schema: SchemaElement[];
  num_rows: bigint;
  row_groups: { num_rows: bigint; columns: ColumnChunk[] }[];
  key_value_metadata?: { key: string; value?: string }[];
}

export interface PageHeader {
  type: string;
  uncompressed_page_size: number;
  compressed_page_size: number;
  data_page_header?: { num_values: number; encoding: string };
  dictionary_page_header?: { num_values: number; encoding: string };
  data_page_header_v2?: {
    num_values: number;
    num_nulls: number;
    num_rows: number;
    encoding: string;
    definition_levels_byte_length: number;
    repetition_levels_byte_length: number;
  };
}

type Decompress = (input: Uint8Array, outputLength: number) => Uint8Array;

/** The part of hyparquet's interface that is used. */
export interface Hyparquet {
  parquetMetadataAsync(file: ParquetBuffer): Promise<ParquetMetadata>;
  parquetRead(options: {
    file: ParquetBuffer;
    metadata: ParquetMetadata;
    columns: string[];
    rowStart: number;
    rowEnd: number;
    utf8: false;
    rowFormat: 'object';
    compressors: Record<string, Decompress>;
    onComplete: (rows: Record<string, unknown>[]) => void;
  }): Promise<void>;
  /** Decompresses into an array of the size that is expected. */
  snappyUncompress(input: Uint8Array, output: Uint8Array): void;
  /** The header of the page at `offset`, which is moved behind it. */
  parquetHeader(reader: { view: DataView; offset: number }): PageHeader;
}

/**
 * The package of the project around, too: onespike may be installed globally, or by npx. It is a module that older
 * versions of Node cannot require, found by `createRequire` so that bundlers do not look for a package that is
 * optional.
 * Errors: ERR_FORMAT, naming the package.
 */
export async function loadHyparquet(path: string): Promise<Hyparquet> {
  let cause: unknown;
  for (const from of [__filename, join(process.cwd(), 'package.json')]) {
    const { resolve } = createRequire(from);
    try {
      const main = (await import(pathToFileURL(resolve('hyparquet')).href)) as Hyparquet;
      const pages = (await import(pathToFileURL(resolve('hyparquet/src/column.js')).href)) as Hyparquet;
      const { parquetMetadataAsync, parquetRead, snappyUncompress } = main;
      return { parquetMetadataAsync, parquetRead, snappyUncompress, parquetHeader: pages.parquetHeader };
    } catch (error) {
      cause = error;
    }
  }
  const missing = (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
  throw new OneSpikeError(
    'ERR_FORMAT',
    `Expected the optional package hyparquet for ${path} but it ` +
      (missing
        ? 'is not installed: npm install hyparquet (with npx: npx -p onespike -p hyparquet onespike ...)'
        : `does not load: ${(cause as Error).message}`),
    { cause },
  );
}

/** Snappy by hyparquet, which does not look at the size that its input claims. */
function snappy({ snappyUncompress }: Hyparquet, input: Uint8Array, length: number): Uint8Array {
  const { value: claimed } = leb128(input, 0, 5);
  if (claimed !== length) throw new Error(`a page of ${claimed} bytes in the place of ${length}`);
  const output = new Uint8Array(length);
  snappyUncompress(input, output);
  return output;
}

/** What decompresses pages: hyparquet, or Node.js itself, to which Zstandard came with version 22. */
export function compressors(hyparquet: Hyparquet): Record<string, Decompress> {
  const bounded =
    (decompress: (input: Uint8Array, options: { maxOutputLength: number }) => Uint8Array): Decompress =>
    (input, length) =>
      decompress(input, { maxOutputLength: Math.max(1, length) });
  const zstd = (zlib as { zstdDecompressSync?: typeof zlib.gunzipSync }).zstdDecompressSync;
  return {
    SNAPPY: (input, length) => snappy(hyparquet, input, length),
    GZIP: bounded(zlib.gunzipSync),
    BROTLI: bounded(zlib.brotliDecompressSync),
    ...(zstd === undefined ? {} : { ZSTD: bounded(zstd) }),
  };
}
