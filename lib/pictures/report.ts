// The report of a run: a page in its folder, and its pictures as files.
import { join } from 'node:path';
import { makeFolder } from '../io/folders';
import { atomicWrite } from '../io/write';
import type { Run } from '../train/run/load-run';
import type { TestRecord } from '../train/run/test-record';
import { readRunData } from './data/run-data';
import type { Theme } from './draw/theme';
import { figureSvg } from './figure';
import { findSharp, rendered } from './png-file';
import { pageHtml } from './page';
import { sectionsOf } from './sections/all';

export interface ReportOptions {
  /** The page; `report.html` in the folder of the run by default. */
  file?: string | undefined;
  /** Folders for the pictures. */
  svg?: string | undefined;
  png?: string | undefined;
  theme?: Theme | undefined;
  /** Is asked for the record of the test images where the run has none. */
  measure?: (run: Run) => Promise<TestRecord>;
}

export interface Report {
  run: string;
  file: string;
  /** The files of pictures that were written. */
  pictures: string[];
  /** Why some pictures are missing, or null. */
  missing: string | null;
}

/** Writes the report. Errors: ERR_IO, ERR_FORMAT, ERR_ABORTED; ERR_STATE for `png` without the package sharp. */
export async function writeReport(path: string, options: ReportOptions = {}): Promise<Report> {
  const { svg, png, theme = 'light', measure } = options;
  const sharp = png === undefined ? undefined : findSharp();
  const data = await readRunData(path, measure);
  const sections = sectionsOf(data);
  const file = options.file ?? join(data.run.path, 'report.html');
  await atomicWrite(file, pageHtml(data, sections));
  const figures = sections.flatMap((section) => section.figures);
  const pictures: string[] = [];
  const write = async (folder: string, name: string, content: string | Uint8Array): Promise<void> => {
    const target = join(folder, name);
    await atomicWrite(target, content);
    pictures.push(target);
  };
  if (svg !== undefined) {
    await makeFolder(svg);
    for (const figure of figures) await write(svg, `${figure.name}.svg`, figureSvg(figure, theme));
  }
  if (png !== undefined && sharp !== undefined) {
    await makeFolder(png);
    for (const figure of figures) await write(png, `${figure.name}.png`, await rendered(sharp, figure, theme));
  }
  return { run: data.run.path, file, pictures, missing: data.missing };
}
