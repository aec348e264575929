// What the pages of a column claim, checked before hyparquet reads them: a number that no file has room for would make
// it fill arrays of thousands of millions.
import type { ColumnChunk, Hyparquet, PageHeader } from './hyparquet';
import { checkStructure, PAGE_HEADER } from './thrift';

/** Rows of one group of rows, and bytes of a column of it: a group of Hugging Face has a thousand rows, or 300 MB. */
export const MOST_ROWS = 2 ** 22;
const MOST_BYTES = 2 ** 30;
/** The header of a page: some dozen bytes, or two pictures more with statistics. */
const MOST_HEADER = 2 ** 22;

/** What other encodings are for does not occur with pictures and labels. */
const encodings = ['PLAIN', 'PLAIN_DICTIONARY', 'RLE_DICTIONARY', 'RLE'];

/** Where the pages of a column lie. Throws an Error for numbers that do not fit the file or the group of rows. */
export function placeOf(
  { meta_data: data }: ColumnChunk,
  rows: number,
  fileSize: number,
): { start: number; size: number } {
  if (data === undefined) throw new Error('a column without a description');
  const dictionary = Number(data.dictionary_page_offset ?? 0n);
  const pages = Number(data.data_page_offset);
  const start = dictionary > 0 && dictionary < pages ? dictionary : pages;
  const size = Number(data.total_compressed_size);
  if (!(start >= 4 && size >= 0 && start + size <= fileSize)) throw new Error('a column outside of the file');
  if (Number(data.num_values) !== rows) throw new Error(`a column of ${data.num_values} values for ${rows} rows`);
  const whole = Number(data.total_uncompressed_size);
  if (!(whole >= 0 && whole <= MOST_BYTES)) throw new Error(`a column of ${whole} bytes`);
  return { start, size };
}

/** Throws an Error where the pages of a column are not what its description says. */
export function checkPages(bytes: Uint8Array, rows: number, { parquetHeader }: Hyparquet): void {
  let offset = 0;
  let found = 0;
  while (found < rows) {
    if (offset >= bytes.length) throw new Error(`pages of ${found} values for ${rows} rows`);
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, Math.min(MOST_HEADER, bytes.length - offset));
    checkStructure(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), PAGE_HEADER);
    const reader = { view, offset: 0 };
    const header = parquetHeader(reader);
    offset += reader.offset;
    const packed = header.compressed_page_size;
    if (!(packed >= 0 && offset + packed <= bytes.length)) throw new Error(`a page of ${packed} bytes`);
    const unpacked = header.uncompressed_page_size;
    if (!(unpacked >= 0 && unpacked <= MOST_BYTES)) throw new Error(`a page of ${unpacked} bytes`);
    found += checkPage(header, rows - found);
    offset += packed;
  }
}

/** The values of a page; 0 of a dictionary. */
function checkPage(header: PageHeader, left: number): number {
  const { type, data_page_header: first, data_page_header_v2: second, dictionary_page_header: dictionary } = header;
  const page =
    type === 'DATA_PAGE'
      ? first
      : type === 'DATA_PAGE_V2'
        ? second
        : type === 'DICTIONARY_PAGE'
          ? dictionary
          : undefined;
  if (page === undefined) throw new Error(`a page of type ${type}`);
  if (!encodings.includes(page.encoding)) throw new Error(`a page in the encoding ${page.encoding}`);
  const most = type === 'DICTIONARY_PAGE' ? MOST_ROWS : left;
  if (!(page.num_values >= 0 && page.num_values <= most)) throw new Error(`a page of ${page.num_values} values`);
  if (type === 'DICTIONARY_PAGE') return 0;
  if (page === second) {
    const { definition_levels_byte_length: levels, repetition_levels_byte_length: repeats, num_nulls: nulls } = second!;
    const fits = levels >= 0 && repeats >= 0 && levels + repeats <= header.compressed_page_size;
    if (!fits || !(nulls >= 0 && nulls <= page.num_values)) throw new Error('levels that do not fit into their page');
  }
  if (page.num_values === 0) throw new Error('a page without values');
  return page.num_values;
}
