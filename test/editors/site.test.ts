// The site that `npm run docs` builds: every link of every page leads somewhere, and in a browser pages show without
// errors and the search finds, without a network.
import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, posix } from 'node:path';
import type { Browser } from 'playwright-core';
import { buildProgram } from '../../lib/cli/program';
import { browserReason, launchBrowser } from '../helpers/browser';

const root = join(__dirname, '../../docs/reference/html');
const built = existsSync(join(root, 'index.html'));
if (!built) console.warn('skipped: the site is not built (npm run docs)');
else if (browserReason !== '') console.warn(`skipped: ${browserReason}`);

const pages = (): string[] =>
  (readdirSync(root, { recursive: true }) as string[]).filter((name) => name.endsWith('.html') && name !== '404.html');

/** What a link of a page leads to: a file of the site, and a place in it. Nothing for other sites. */
function target(page: string, link: string): { file: string; anchor: string } | undefined {
  if (/^(https?:|mailto:|data:)/.test(link)) return undefined;
  const [path = '', anchor = ''] = link.split('#');
  const file = path === '' ? page : path.startsWith('/') ? path.slice(1) : posix.join(posix.dirname(page), path);
  return { file: file === '' || file.endsWith('/') ? `${file}index.html` : file, anchor: decodeURIComponent(anchor) };
}

(built ? describe : describe.skip)('as files', () => {
  test('there is a page for each command, and one for the API', () => {
    const names = buildProgram().commands.flatMap((command) =>
      command.commands.length === 0
        ? [command.name()]
        : command.commands.map((child) => `${command.name()}-${child.name()}`),
    );
    const all = pages();
    expect(names.filter((name) => !all.includes(`commands/${name}.html`))).toEqual([]);
    expect(all).toEqual(expect.arrayContaining(['index.html', 'CLI.html', 'API.html', 'reference/index.html']));
  });

  test('links lead to pages and places that are there', () => {
    const texts = new Map(pages().map((page) => [page, readFileSync(join(root, page), 'utf8')]));
    const broken = [...texts].flatMap(([page, text]) =>
      [...text.matchAll(/<(?:a|img|link|script)\b[^>]*? (?:href|src)="([^"]+)"/g)].flatMap(([, link]) => {
        const place = target(page, link!);
        if (place === undefined) return [];
        const there = texts.get(place.file);
        if (there === undefined) return existsSync(join(root, place.file)) ? [] : [`${page}: ${link}`];
        return place.anchor === '' || there.includes(`id="${place.anchor}"`) ? [] : [`${page}: ${link}`];
      }),
    );
    expect(broken).toEqual([]);
  });
  test('mathematics are formulas', () => {
    const source = readFileSync(join(root, '../../MATHEMATICS.md'), 'utf8');
    const formulas = [...source.matchAll(/^```math$|\$`[^`]+`\$/gm)].length;
    const page = readFileSync(join(root, 'MATHEMATICS.html'), 'utf8');
    expect(formulas).toBeGreaterThan(300);
    expect(page.match(/<math\b/g)).toHaveLength(formulas);
    expect(page).not.toMatch(/\$<code>|class="language-math/);
  });
});

(built && browserReason === '' ? describe : describe.skip)('in a browser', () => {
  const types: Record<string, string> = {
    html: 'text/html',
    js: 'text/javascript',
    css: 'text/css',
    svg: 'image/svg+xml',
    woff2: 'font/woff2',
  };
  let server: Server;
  let browser: Browser;
  let address: string;
  beforeAll(async () => {
    server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url!, 'http://localhost').pathname);
      const file = join(root, path.endsWith('/') ? `${path}index.html` : path);
      // Browsers ask for it of themselves; the site has none.
      if (path === '/favicon.ico') return response.writeHead(204).end();
      if (!existsSync(file)) return response.writeHead(404).end();
      response.writeHead(200, { 'content-type': types[file.split('.').at(-1)!] ?? 'application/octet-stream' });
      createReadStream(file).pipe(response);
      return undefined;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await launchBrowser();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  test('pages show without errors and ask no other server; the search finds a command', async () => {
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('response', (response) => response.status() >= 400 && faults.push(response.url()));
    page.on('request', (request) => {
      if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(address)) faults.push(request.url());
    });
    for (const [path, title] of [
      ['/', 'onespike'],
      ['/CLI.html', 'Command line'],
      ['/MATHEMATICS.html', 'Mathematics'],
      ['/commands/train.html', 'onespike train'],
      ['/reference/', 'onespike'],
    ] as const) {
      await page.goto(`${address}${path}`, { waitUntil: 'load', timeout: 60_000 });
      expect((await page.locator('h1').first().textContent())?.replace(/\W+$/, '').trim()).toContain(title);
    }
    await page.goto(`${address}/MATHEMATICS.html`, { waitUntil: 'networkidle', timeout: 60_000 });
    // A fraction is higher than its numerator, if the browser draws it as one.
    const fraction = await page.locator('div.formula mfrac').first().boundingBox({ timeout: 60_000 });
    const numerator = await page.locator('div.formula mfrac > *').first().boundingBox({ timeout: 60_000 });
    expect(fraction!.height).toBeGreaterThan(1.5 * numerator!.height);
    expect(await page.evaluate('document.fonts.check(\'16px "STIX Two Math"\')')).toBe(true);
    await page.locator('.VPNavBarSearch button').first().click({ timeout: 60_000 });
    await page.locator('.VPLocalSearchBox input').fill('onespike simulate', { timeout: 60_000 });
    await page.locator('.VPLocalSearchBox .result[href*="commands/simulate"]').first().click({ timeout: 60_000 });
    await page.waitForURL('**/commands/simulate.html*', { timeout: 60_000 });
    expect(faults).toEqual([]);
  }, 300_000);
});
