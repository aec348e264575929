// The fenced blocks of the documents, the commands in them, and those that cannot be carried out here.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exceptions, type Exception } from './exceptions';

export const root = join(__dirname, '../..');

export interface Block {
  /** The document, from the root of the repository. */
  file: string;
  line: number;
  /** The last title above the block. */
  title: string;
  /** The first word behind the fence; '' where there is none. */
  language: string;
  /** The second one: the name under which the text is a file. */
  name: string;
  text: string;
}

/** Languages that hold no examples. */
const prose = ['math', 'text'];
export const shells = ['sh', 'console'];
export const programs = ['js', 'ts'];

/** README.md and every document of docs/. */
export function documents(): string[] {
  const names = readdirSync(join(root, 'docs'), { recursive: true }) as string[];
  const pages = names.filter((name) => name.endsWith('.md') && !/(^|\/)(node_modules|html|site)\//.test(name));
  return ['README.md', ...pages.sort().map((name) => `docs/${name}`)];
}

export function blocksOf(file: string, text = readFileSync(join(root, file), 'utf8')): Block[] {
  const blocks: Block[] = [];
  let title = '';
  let open: Block | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^\s*```(\S*) *(\S*)/.exec(line);
    if (open !== undefined && fence === null) open.text += `${line}\n`;
    else if (open !== undefined) {
      blocks.push(open);
      open = undefined;
    } else if (fence !== null) open = { file, line: index + 1, title, language: fence[1]!, name: fence[2]!, text: '' };
    else title = /^#+ +(.*)/.exec(line)?.[1] ?? title;
  }
  return blocks.filter(({ language }) => !prose.includes(language));
}

/** The commands of a block for a shell: lines that end with a backslash go on; of a console those after the prompt. */
export function commandsOf({ language, text }: Pick<Block, 'language' | 'text'>): string[] {
  const lines = text.replace(/\\\n\s*/g, '').split('\n');
  const commands = language === 'console' ? lines.flatMap((line) => /^\$ (.*)/.exec(line)?.[1] ?? []) : lines;
  return commands.map((line) => line.replace(/(^|\s+)#.*$/, '').trim()).filter((line) => line !== '');
}

/** What is carried out: the command line of this package, and requests to its server. */
export const isOwnCommand = (command: string): boolean => /^(npx )?onespike /.test(command);
const isExecuted = (command: string): boolean => isOwnCommand(command) || command.startsWith('curl ');

export const exceptionOf = (block: Block, text: string): Exception | undefined =>
  exceptions.find(({ file, start }) => file === block.file && text.startsWith(start));

/** The commands of a block that are no exceptions. */
export const ownCommandsOf = (block: Block): string[] =>
  commandsOf(block).filter((command) => exceptionOf(block, command) === undefined);

/** What of a block is neither carried out nor an exception. */
export function unclaimed(block: Block): string[] {
  const { language, text, file, line } = block;
  const place = `${file}:${line}`;
  const commands = shells.includes(language);
  if ([...programs, 'json'].includes(language) || (!commands && exceptionOf(block, text) !== undefined)) return [];
  if (!commands) return [`${place}: a block of '${language}' that no test carries out`];
  return ownCommandsOf(block)
    .filter((command) => !isExecuted(command))
    .map((command) => `${place}: \`${command}\`, which no test carries out`);
}
