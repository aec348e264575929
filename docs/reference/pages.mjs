// Writes the pages of the site that do not come from TypeDoc: the documents, with links from page to page, and a page
// for each command, from the command line itself.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const published = 'https://unpkg.com/onespike/';

/**
 * The documents, as page by file.
 *
 * @param {string} root of the repository
 */
function documents(root) {
  const named = fs.readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'));
  const design = fs.readdirSync(path.join(root, 'docs/design')).filter((name) => name.endsWith('.md'));
  const project = ['ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'KNOWN-BUGS.md'];
  return new Map([
    ['README.md', 'index.md'],
    ['examples/README.md', 'examples.md'],
    ...project.map((name) => /** @type {const} */ ([name, name])),
    ...named.map((name) => /** @type {const} */ ([`docs/${name}`, name])),
    ...design.map(
      (name) => /** @type {const} */ ([`docs/design/${name}`, `design/${name.replace('README', 'index')}`]),
    ),
  ]);
}

/**
 * A document as a page: links lead to pages, pictures are copied to the site, other files are named without a link.
 *
 * @param {string} text
 * @param {string} file of the document
 * @param {{ root: string, site: string, pages: Map<string, string> }} where
 */
function pageOf(text, file, { root, site, pages }) {
  return text.replace(/(!?)\[([^\]]*)\]\(([^)\s]+)\)/g, (whole, mark, name, target) => {
    if (/^(https?:|#)/.test(target) && !target.startsWith(published)) return whole;
    const [place = '', anchor] = target.replace(published, '/').split('#');
    const inside = place.startsWith('/') ? place.slice(1) : path.posix.join(path.posix.dirname(file), place);
    const page = pages.get(inside) ?? pages.get(`${inside.replace(/\/$/, '')}/README.md`);
    if (page !== undefined)
      return `[${name}](/${page.replace(/(index)?\.md$/, '')}${anchor === undefined ? '' : `#${anchor}`})`;
    if (mark === '') return name;
    const copy = path.join(site, 'public', inside);
    fs.mkdirSync(path.dirname(copy), { recursive: true });
    fs.copyFileSync(path.join(root, inside), copy);
    return `![${name}](/${inside})`;
  });
}

/** @param {string} text */
const cell = (text) => text.replace(/\|/g, '\\|').replace(/\n/g, ' ');

/**
 * @param {string} title
 * @param {string[][]} rows
 */
function table(title, rows) {
  if (rows.length === 0) return '';
  const lines = rows.map(([name = '', text = '']) => `| \`${cell(name)}\` | ${cell(text)} |`);
  return `\n## ${title}\n\n| | |\n| --- | --- |\n${lines.join('\n')}\n`;
}

/**
 * The page of a command.
 *
 * @param {import('commander').Command} command
 * @param {string} name with the names of the commands above it
 */
function commandPage(command, name) {
  const help = command.createHelp();
  let whole = '';
  command.configureOutput({ writeOut: (text) => (whole += text), getOutHelpWidth: () => 100 });
  command.outputHelp();
  const after = whole.slice(command.helpInformation().length).trim();
  const options = help.visibleOptions(command).map((option) => [option.flags, help.optionDescription(option)]);
  const values = command.registeredArguments.map((argument) => [argument.name(), help.argumentDescription(argument)]);
  return `# onespike ${name}

${command.description()}

\`\`\`
onespike ${name} ${command.usage()}
\`\`\`
${table('Arguments', values)}${table('Options', options)}${after === '' ? '' : `\n## Usage\n\n\`\`\`\n${after}\n\`\`\`\n`}`;
}

/**
 * The commands that do something, each with its whole name.
 *
 * @param {import('commander').Command} command
 * @param {string[]} above
 * @returns {[name: string, command: import('commander').Command][]}
 */
function leaves(command, above = []) {
  return command.commands.flatMap((child) => {
    const names = [...above, child.name()];
    return child.commands.length > 0 ? leaves(child, names) : [[names.join(' '), child]];
  });
}

/**
 * @param {string} root of the repository, compiled
 * @param {string} site the folder of the pages
 */
export function writePages(root, site) {
  /** @type {(page: string, text: string) => void} */
  const write = (page, text) => {
    fs.mkdirSync(path.dirname(path.join(site, page)), { recursive: true });
    fs.writeFileSync(path.join(site, page), text);
  };
  const pages = documents(root);
  for (const [file, page] of pages)
    write(page, pageOf(fs.readFileSync(path.join(root, file), 'utf8'), file, { root, site, pages }));
  const load = createRequire(path.join(root, 'package.json'));
  const commands = leaves(load('./dist/lib/cli/program.js').buildProgram());
  for (const [name, command] of commands) write(`commands/${name.replace(' ', '-')}.md`, commandPage(command, name));
  write('commands.json', JSON.stringify(commands.map(([name]) => name)));
}
