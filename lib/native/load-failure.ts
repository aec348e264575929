// Why the addon did not load, and what to do: the causes that users meet, each with its own cure.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { addonPlaces, target } from '../../binding';
import { OneSpikeError } from '../errors';

/** What the loader meets; platform, processor and C library are those that it looks for. */
export interface Host {
  platform: string;
  arch: string;
  /** 'glibc 2.36', 'musl', or '' on other systems than Linux. */
  libc: string;
  /** Whether the permission model of Node.js is on; then `readable` knows what it allows. */
  permissions: boolean;
  readable(path: string): boolean;
  /** The mounted file systems, in the form of /proc/self/mounts; '' where they are not known. */
  mounts: string;
}

interface Diagnosis {
  expected: string;
  received: string;
  fix: string;
}

/**
 * The error of an addon that did not load: what was expected, what was found, what to do, the loader's own words and
 * the places it tried. `root` is the folder of the package, undefined in a bundle.
 */
export function loadFailure(root: string | undefined, cause: unknown, host: Host = thisHost()): OneSpikeError {
  const { expected, received, fix } = root === undefined ? bundled : diagnose(root, cause, host);
  const libc = host.libc === '' ? '' : `, ${host.libc}`;
  const lines = [
    `Cannot load the native addon of onespike (${host.platform}-${host.arch}${libc}, Node ${process.versions.node}).`,
    `Expected ${expected} but received ${received}.`,
    `Fix:   ${fix}`,
    `Cause: ${messageOf(cause)}`,
    ...(root === undefined ? [] : placesTried(root)),
  ];
  return new OneSpikeError('ERR_NO_BACKEND', lines.join('\n'), { cause });
}

const bundled: Diagnosis = {
  expected: 'to run from the package onespike in node_modules',
  received: 'code that a bundler has copied out of it, away from its binary',
  fix:
    'keep onespike out of the bundle: --external:onespike (esbuild), externals (webpack), ssr.external (Vite), ' +
    'serverExternalPackages (Next.js); docs/BUNDLERS.md in the package has a recipe for each',
};

function diagnose(root: string, cause: unknown, host: Host): Diagnosis {
  return (
    permissionFault(root, cause, host) ??
    mappingFault(root, cause, host) ??
    (existsSync(join(root, 'scripts', 'setup.mjs')) ? checkoutFault(root, cause) : undefined) ??
    platformFault(host) ??
    libraryFault(cause, host) ??
    fileFault(root, cause, host)
  );
}

/** Node.js can forbid addons, and with the permission model also the reading of files. */
function permissionFault(root: string, cause: unknown, host: Host): Diagnosis | undefined {
  if ((cause as { code?: unknown } | null | undefined)?.code === 'ERR_DLOPEN_DISABLED')
    return {
      expected: 'a process that may load native addons',
      received: host.permissions ? 'one under the permission model without --allow-addons' : 'one with --no-addons',
      fix: host.permissions
        ? 'start Node.js with --allow-addons beside --permission'
        : 'start Node.js without --no-addons (see NODE_OPTIONS too)',
    };
  const folder = join(root, 'prebuilds');
  if (!host.permissions || host.readable(folder)) return undefined;
  return {
    expected: `a process that may read ${folder}`,
    received: 'one under the permission model that may not',
    fix: `start Node.js with --allow-fs-read=${root} and --allow-addons beside --permission`,
  };
}

/** A checkout has no binary until it is built, and builds on more than the package has binaries for. */
function checkoutFault(root: string, cause: unknown): Diagnosis {
  return {
    expected: 'an addon built from this checkout',
    received:
      contentOf(join(root, 'build', 'Release')) === 'no such folder' ? 'none' : `one that fails: ${messageOf(cause)}`,
    fix: 'npm run build:native',
  };
}

function platformFault({ platform, arch, libc }: Host): Diagnosis | undefined {
  const expected = 'Linux on x86-64 with the GNU C library (glibc), for which the package holds a binary,';
  if (platform !== 'linux')
    return {
      expected,
      received: `${platform}-${arch}`,
      fix:
        platform === 'win32'
          ? 'run it in WSL 2, the Windows Subsystem for Linux'
          : 'run it in a Linux container or virtual machine for x86-64',
    };
  if (arch !== 'x64')
    return {
      expected,
      received: `linux-${arch}`,
      fix:
        arch === 'ia32'
          ? 'use the 64-bit build of Node.js'
          : `use an x86-64 machine, or build on this one from a checkout of the repository (npm run build:native)${arch === 'arm64' ? ', which is not tested for arm64' : ''}`,
    };
  if (libc.startsWith('musl'))
    return {
      expected,
      received: 'musl, the C library of Alpine Linux',
      fix: 'use a system with glibc, such as Debian, Ubuntu or Fedora; among images node:22-bookworm-slim instead of node:22-alpine',
    };
  return undefined;
}

/** What the dynamic linker says when the system does not let code be mapped from a file. */
function mappingFault(root: string, cause: unknown, { mounts }: Host): Diagnosis | undefined {
  if (!/failed to map segment/.test(messageOf(cause))) return undefined;
  const expected = `a place from which code may run for ${root}`;
  const mount = noexecMount(root, mounts);
  if (mount === undefined)
    return {
      expected,
      received: 'a refusal of the system (a mount with noexec, or a security module such as SELinux)',
      fix: 'install the packages on another file system, or allow programs to run from this one',
    };
  return {
    expected,
    received: `${mount}, which is mounted with noexec`,
    fix: `install the packages on another file system, or allow programs there: mount -o remount,exec ${mount}`,
  };
}

/** The mount that `path` lies on, if code may not run from it. */
function noexecMount(path: string, mounts: string): string | undefined {
  let point = '';
  let found: string | undefined;
  for (const line of mounts.split('\n')) {
    const [, written = '', , options = ''] = line.split(' ');
    // Blanks and the like stand in octal.
    const at = written.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
    if (at === '' || !`${path}/`.startsWith(at === '/' ? '/' : `${at}/`) || at.length < point.length) continue;
    point = at;
    found = options.split(',').includes('noexec') ? at : undefined;
  }
  return found;
}

/** A C library that is older than the one that the binary was linked with. */
function libraryFault(cause: unknown, { libc }: Host): Diagnosis | undefined {
  const needed = /version [`']GLIBC_([\d.]+)' not found/.exec(messageOf(cause))?.[1];
  if (needed === undefined) return undefined;
  return {
    expected: `glibc ${needed} or newer`,
    received: libc,
    fix: 'use a newer system (Debian 12, Ubuntu 22.04, or anything later), or build on this one from a checkout of the repository',
  };
}

/** A binary that is not there or not whole. */
function fileFault(root: string, cause: unknown, { platform, arch }: Host): Diagnosis {
  const folder = join(root, 'prebuilds', `${platform}-${arch}`);
  const missing = !contentOf(folder).includes('.node');
  return {
    expected: missing ? `a binary in ${folder}` : `a sound binary in ${folder}`,
    received: missing ? 'none: a part of the package is missing' : `one that fails: ${messageOf(cause)}`,
    fix:
      'reinstall the package; if a tool copies its files (output tracing of a bundler, an image that is built), let it ' +
      'copy prebuilds/ as it is',
  };
}

function placesTried(root: string): string[] {
  return addonPlaces(root).map(
    (file, i) => `${i === 0 ? 'Tried:' : '      '} ${file} (beside it: ${contentOf(dirname(file))})`,
  );
}

function contentOf(folder: string): string {
  try {
    return readdirSync(folder).join(', ') || 'empty';
  } catch (error) {
    return (error as { code?: unknown }).code === 'ENOENT' ? 'no such folder' : 'cannot be read';
  }
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).trim();

function thisHost(): Host {
  const { platform, arch, libc } = target();
  const permission = (process as { permission?: { has(scope: string, path: string): boolean } }).permission;
  return {
    platform,
    arch,
    libc: platform !== 'linux' ? '' : libc === 'glibc' ? libraryOf() : libc,
    permissions: permission !== undefined,
    readable: (path) => permission?.has('fs.read', path) ?? true,
    mounts: readMounts(),
  };
}

/** Other runtimes than Node.js may have no report. */
function libraryOf(): string {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  if (report?.header === undefined) return '';
  const version = report.header.glibcVersionRuntime;
  return version === undefined ? 'musl' : `glibc ${version}`;
}

function readMounts(): string {
  try {
    return readFileSync('/proc/self/mounts', 'utf8');
  } catch {
    return '';
  }
}
