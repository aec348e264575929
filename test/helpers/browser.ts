// A real browser for tests of pages: Debian's Chromium, or the one that ONESPIKE_CHROMIUM names.
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const executablePath = [process.env['ONESPIKE_CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser'].find(
  (path) => path !== undefined && existsSync(path),
);

/** Why there is no browser, or ''. */
export const browserReason =
  executablePath === undefined ? 'no Chromium here: apt-get install chromium, or name one by ONESPIKE_CHROMIUM' : '';

/** A browser without a window. */
export function launchBrowser(): Promise<Browser> {
  // The sandbox needs rights that root and containers do not give.
  return chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox', '--disable-gpu'] });
}
