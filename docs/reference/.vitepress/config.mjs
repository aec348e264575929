// The site of `npm run docs`: pages that docs/reference/pages.mjs and TypeDoc wrote into site/, built into html/.
import fs from 'node:fs';
import path from 'node:path';
import { mathematics } from './mathematics.mjs';

const folder = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..', 'site');
/** The commands of the pages, in the order of `--help`. */
const commands = JSON.parse(fs.readFileSync(path.join(folder, 'commands.json'), 'utf8'));

/** @param {string[]} names */
const pages = (...names) =>
  names.map((name) => {
    const [text = '', link = ''] = name.split(' > ');
    return { text, link };
  });

export default {
  srcDir: 'site',
  outDir: 'html',
  title: 'onespike',
  description: 'Deep spiking networks whose neurons fire at most once',
  // Also for a folder that a plain file server shows.
  cleanUrls: false,
  lastUpdated: false,
  markdown: {
    // Angle brackets are text: no page holds HTML.
    html: false,
    config: mathematics,
    anchor: {
      // The names that GitHub gives to headings, which links of the documents use.
      slugify: (/** @type {string} */ title) =>
        title
          .toLowerCase()
          .replace(/[^\p{L}\p{N}\s_-]/gu, '')
          .trim()
          .replace(/\s/g, '-'),
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: { level: [2, 3] },
    nav: pages('Command line > /CLI', 'API > /API', 'Reference > /reference/', 'Mathematics > /MATHEMATICS'),
    sidebar: [
      {
        text: 'Guide',
        items: pages(
          'Overview > /',
          'Command line > /CLI',
          'API > /API',
          'Examples > /examples',
          'Codes > /CODES',
          'Data > /DATA',
          'Recipes > /RECIPES',
          'Clusters > /CLUSTERS',
          'Bundlers > /BUNDLERS',
        ),
      },
      {
        text: 'Commands',
        collapsed: true,
        items: commands.map((/** @type {string} */ name) => ({
          text: name,
          link: `/commands/${name.replace(' ', '-')}`,
        })),
      },
      { text: 'Reference', items: pages('Every exported symbol > /reference/') },
      {
        text: 'Background',
        items: pages(
          'Mathematics > /MATHEMATICS',
          'Results > /RESULTS',
          'Performance > /PERFORMANCE',
          'Architecture > /ARCHITECTURE',
          'Design notes > /design/',
        ),
      },
      {
        text: 'Project',
        items: pages('Contributing > /CONTRIBUTING', 'Changes > /CHANGELOG', 'Known bugs > /KNOWN-BUGS'),
      },
    ],
  },
};
