// The packages that are used where they are installed, and which of them are.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const PURPOSES = {
  sharp: 'pictures in JPEG, WebP, AVIF, GIF or TIFF, and figures as PNG',
  hyparquet: 'data sets in Parquet files',
} as const;

export interface OptionalPackage {
  name: keyof typeof PURPOSES;
  /** What it is for. */
  purpose: string;
  /** The version that is installed; null where none is. */
  version: string | null;
}

/** Each optional package, and its version where it is found: beside this package, or in the project around. */
export function optionalPackages(): OptionalPackage[] {
  return Object.entries(PURPOSES).map(([name, purpose]) => {
    const version = installedVersion(name, __filename) ?? installedVersion(name, join(process.cwd(), 'package.json'));
    return { name: name as OptionalPackage['name'], purpose, version: version ?? null };
  });
}

/** The version of a package as a module in the file `from` finds it. */
function installedVersion(name: string, from: string): string | undefined {
  let folder: string;
  try {
    folder = dirname(createRequire(from).resolve(name));
  } catch {
    return undefined;
  }
  // Its package.json may not be among what it exports; folders of compiled modules have one without a name.
  for (;;) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
      if (manifest.name === name) return manifest.version;
    }
    const above = dirname(folder);
    if (above === folder) return undefined;
    folder = above;
  }
}
