// What a data set is to the rest of onespike. To add one, write a file here that exports a `DataSource`, and name it in
// index.ts.
import { isOneSpikeError } from '../../errors';
import type { Keep } from '../held';
import type { ImageShape, LoadedParts, LoadOptions } from '../types';

export interface SourceFile {
  name: string;
  md5: string;
  /** Bytes. */
  size: number;
}

/** What is known of a set without its files. */
export interface SourceInfo {
  title: string;
  homepage: string;
  licence: string;
  citation: string;
  /** Null where the files of a user decide. */
  shape: ImageShape | null;
  classes: readonly string[] | null;
  counts: { train: number; test: number } | null;
}

/** What a directory holds, found without reading the files. */
export interface Located {
  /** Everything that `load` needs is there. */
  present: boolean;
  /** The files that were found. */
  paths: string[];
  /** Where the files decide: what `SourceInfo` left open. */
  classes?: string[];
  counts?: { train: number; test: number };
}

export interface DataSource {
  readonly info: SourceInfo;
  /**
   * `generated` needs no files, `public` can be fetched, `own` is a user's: its directory must be named. The images of
   * `program` are handed over by a program.
   */
  readonly kind: 'generated' | 'public' | 'own' | 'program';
  /** Folders on the web that hold the official files, in the order in which they are tried, and the files. */
  readonly download: { readonly urls: readonly string[]; readonly files: readonly SourceFile[] };
  /** What `split` may be, where a set has several divisions or sets of labels. */
  readonly splits?: readonly string[];
  /** The options that `load` understands, `signal` aside. */
  readonly options: readonly Exclude<keyof LoadOptions, 'signal'>[];
  /** Finds the files of the set in `directory`. */
  locate(directory: string): Promise<Located>;
  /**
   * Loads all images; with `keep` a format that can be read image by image returns `HeldImages` of the chosen ones.
   * Errors: ERR_IO if files are missing, ERR_FORMAT if they are not what they should be, ERR_ARG, ERR_ABORTED.
   */
  load(directory: string, options: LoadOptions, keep?: Keep): Promise<LoadedParts>;
  /** What a training configuration for this set says beside the common defaults, as JSON. */
  readonly recipe: Readonly<Record<string, unknown>>;
}

/** For a set without official files. */
export const nothingToDownload = { urls: [], files: [] } as const;

/** What is known of a user's own pictures before their files are seen. */
export const ownPictures = (title: string): SourceInfo => ({
  title,
  homepage: '',
  licence: 'Yours',
  citation: '',
  shape: null,
  classes: null,
  counts: null,
});

/** Where files are of which all are needed; null stands for one that is missing. */
export function locatedFiles(paths: readonly (string | null)[]): Located {
  return { paths: [...new Set(paths.filter((path) => path !== null))], present: !paths.includes(null) };
}

/** What `find` tells of a directory, in which it finds nothing if it refuses. */
export async function locatedBy(find: () => Promise<Omit<Located, 'present'>>): Promise<Located> {
  try {
    return { present: true, ...(await find()) };
  } catch (error) {
    if (isOneSpikeError(error)) return { present: false, paths: [] };
    throw error;
  }
}

/** Random crops and flips: for photographs of things that have no left and right. */
export const cropsAndFlips = { padding: 4, flip: true } as const;

/** Widths of a network for easy images, or few of them: 294 thousand parameters in place of millions. */
export const smallNetwork = { width: 0.25, hidden: [128, 128] } as const;

/**
 * For pictures of a user. They are few, as a rule: at full width ten of them train a network of 50 million parameters,
 * and the run takes a gigabyte.
 */
export const recipeOfOwn = {
  model: { ...smallNetwork, dropout: 0.1 },
  ann: { epochs: 30, augment: cropsAndFlips },
  snn: { epochs: 20, augment: cropsAndFlips },
} as const;
