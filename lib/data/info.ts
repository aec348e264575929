/** What is known about a data set. */
import { checkOneOf, checkOptions, checkString } from '../check';
import { directoryOf } from './directory';
import { statOrNull } from './files';
import { datasetNames, sources, type DatasetName } from './sets';
import type { ImageShape } from './types';

export interface DatasetInfo {
  name: DatasetName;
  title: string;
  /** Addresses of the official files. */
  sources: string[];
  homepage: string;
  licence: string;
  citation: string;
  /** Where the files were looked for; empty for a set that is generated. */
  directory: string;
  /** Whether everything that `load` needs is there. */
  present: boolean;
  /** The files found. */
  files: { path: string; bytes: number }[];
  /** Images of the official set; of `folder` the pictures that are there, null without any. */
  counts: { train: number; test: number } | null;
  /** Null where the files of a user decide. */
  shape: ImageShape | null;
  classes: string[] | null;
}

/** What is known about a set, and which of its files are here. Reads no file's content. */
export async function datasetInfo(name: DatasetName, options: { directory?: string } = {}): Promise<DatasetInfo> {
  checkOneOf(name, 'the data set name', datasetNames);
  checkOptions(options, 'the info options', ['directory']);
  if (options.directory !== undefined) checkString(options.directory, 'directory');
  const { info, download, locate } = sources[name];
  const directory = await directoryOf(name, options.directory);
  const { paths, present, ...found } = await locate(directory);
  const files = await Promise.all(paths.map(async (path) => ({ path, bytes: (await statOrNull(path))?.size ?? 0 })));
  const counts = info.counts ?? found.counts;
  const classes = info.classes ?? found.classes;
  return {
    name,
    title: info.title,
    sources: download.files.map((file) => download.urls[0] + file.name),
    homepage: info.homepage,
    licence: info.licence,
    citation: info.citation,
    directory,
    present,
    files,
    counts: counts === undefined ? null : { ...counts },
    shape: info.shape === null ? null : [...info.shape],
    classes: classes === undefined ? null : [...classes],
  };
}
