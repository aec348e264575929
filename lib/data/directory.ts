/** Where the files of a data set are. */
import { dataDirectory } from './files';
import { sources, type DatasetName } from './sets';

/** As `dataDirectory`; empty for a set that is generated, so that it needs no home folder either. Errors: ERR_IO. */
export async function directoryOf(name: DatasetName, directory?: string, forWriting = false): Promise<string> {
  if (sources[name].kind === 'generated' && directory === undefined) return '';
  return dataDirectory(name, directory, forWriting);
}
