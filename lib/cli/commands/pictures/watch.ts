// `watch`: a page that shows runs while they go on.
import type { Command } from 'commander';
import { OneSpikeError } from '../../../errors';
import { absolutePath, shortPath } from '../../../io/paths';
import { isFile, isFolder } from '../../../io/status';
import { interruptible } from '../../interrupt';
import { Output } from '../../output';
import { portOption, UsageError } from '../../usage';

interface WatchFlags {
  port?: number;
  json?: boolean;
}

/** The folder in which runs begin that are given no other. */
const defaultFolder = 'runs';
const MOST_RUNS = 16;

export function addWatch(program: Command): void {
  program
    .command('watch')
    .description('a page in the browser that shows runs while they go on')
    .argument('[runs...]', `folders of runs, or folders that hold runs (default: ${defaultFolder})`)
    .option('--port <n>', 'port of the page (default: any that is free)', portOption)
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike watch                                        the runs in ./${defaultFolder} that were written to last
  $ onespike watch runs/mine runs/other --port 8123       two runs side by side

The first line is the URL of the page, with a token that keeps everybody else out. The page is for this machine alone;
from another one reach it through ssh -L 8123:127.0.0.1:8123. It opens no browser; Ctrl-C ends it.`,
    )
    .action(async (given: string[], flags: WatchFlags) => {
      const output = new Output(flags.json === true);
      if (given.length > MOST_RUNS)
        throw new UsageError(`Expected at most ${MOST_RUNS} runs but received ${given.length}`);
      const { runs, folders } = await sourcesOf(given);
      await interruptible(
        output,
        async (signal) => {
          const { Board } = await import('../../../pictures/live/board.js');
          const { WatchServer } = await import('../../../pictures/live/server.js');
          const server = await WatchServer.start(new Board(runs, folders), flags.port);
          announce(output, server.url);
          output.line(`watching ${[...runs, ...folders].map(shortPath).join(', ')}; Ctrl-C ends it`);
          if (!signal.aborted)
            await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          await server.close();
          throw new OneSpikeError('ERR_ABORTED', 'The page has ended.');
        },
        { advice: 'Stopping.' },
      );
    });
}

/** The address of the page: the whole line, for people and programs. */
export function announce(output: Output, url: string): void {
  output.event({ event: 'watch', url });
  output.line(url);
}

/** Which of the paths are runs, and which hold runs. Errors: ERR_IO for what is no folder. */
async function sourcesOf(given: readonly string[]): Promise<{ runs: string[]; folders: string[] }> {
  const runs: string[] = [];
  const folders: string[] = [];
  for (const name of given) {
    const path = absolutePath(name);
    if (!(await isFolder(path))) throw new OneSpikeError('ERR_IO', `Expected the folder of a run but ${path} is none`);
    if (await isFile(`${path}/run.json`)) runs.push(path);
    else folders.push(path);
  }
  return given.length === 0 ? { runs, folders: [absolutePath(defaultFolder)] } : { runs, folders };
}
