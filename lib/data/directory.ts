// Where the files of a data set are.
import { dataDirectory } from './files';
import { sources, type SourceName } from './sets';

/** As `dataDirectory`; empty for a set that has no files, so that it needs no home folder either. Errors: ERR_IO. */
export async function directoryOf(name: SourceName, directory?: string, forWriting = false): Promise<string> {
  const { kind } = sources[name];
  if ((kind === 'generated' || kind === 'program') && directory === undefined) return '';
  return dataDirectory(name, directory, forWriting);
}
