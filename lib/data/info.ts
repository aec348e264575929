// What is known about a data set.
import { checkOneOf, checkOptions, checkString } from '../check';
import { directoryOf } from './directory';
import { statOrNull } from './files';
import { datasetNames, sources, type DatasetName } from './sets';
import type { ImageShape } from './types';

/** The description of a data set, and the state of its files on this machine. */
export interface DatasetInfo {
  /** The name of the data set. */
  name: DatasetName;
  /** Its title, for people. */
  title: string;
  /** The addresses of the official files. */
  sources: string[];
  /** The address of its home page. */
  homepage: string;
  /** Its licence, in words. */
  licence: string;
  /** The publication to cite. */
  citation: string;
  /** The folder in which its files are expected; empty for a set that is generated. */
  directory: string;
  /** Whether everything that `load` needs is there. */
  present: boolean;
  /** The files that are there. */
  files: { path: string; bytes: number }[];
  /** The numbers of images of the official set; of `folder` the pictures that are there, null without any. */
  counts: { train: number; test: number } | null;
  /** The shape of an image; null where the files of a user decide. */
  shape: ImageShape | null;
  /** The names of the classes; null where the files of a user decide. */
  classes: string[] | null;
}

/**
 * Describes a data set and tells which of its files are here, without reading their contents. Errors: ERR_ARG, ERR_IO.
 */
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
