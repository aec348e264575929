// The optional package sharp, which decodes and draws what this package does not.
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** The part of sharp's interface that is used. */
export interface Sharp {
  rotate(): Sharp;
  flatten(options: { background: string }): Sharp;
  toColourspace(space: string): Sharp;
  raw(): Sharp;
  png(): Sharp;
  toBuffer(): Promise<Buffer>;
  toBuffer(options: {
    resolveWithObject: true;
  }): Promise<{ data: Buffer; info: { width: number; height: number; channels: number } }>;
}
export type SharpFactory = (input: Buffer, options: { limitInputPixels?: number; density?: number }) => Sharp;

/**
 * The package of the project around, too: onespike may be installed globally, or by npx. Both are resolved by
 * `createRequire`, so that bundlers do not look for a package that is optional. Errors: those of `require`.
 */
export function requireSharp(): SharpFactory {
  try {
    return createRequire(__filename)('sharp') as SharpFactory;
  } catch (error) {
    if (!isMissing(error)) throw error;
    return createRequire(join(process.cwd(), 'package.json'))('sharp') as SharpFactory;
  }
}

/** Why `requireSharp` failed, as the end of a sentence about sharp. */
export function whyNoSharp(error: unknown): string {
  return isMissing(error)
    ? 'is not installed: npm install sharp (with npx: npx -p onespike -p sharp onespike ...)'
    : `does not load: ${(error as Error).message}`;
}

/** Whether an error of `requireSharp` says that the package is not installed. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
}
