// `completion`: a script by which a shell completes commands, options and what stands behind them.
import { Argument, type Command } from 'commander';
import { bashScript } from '../completion/bash';
import { completedCommands } from '../completion/commands';
import { fishScript } from '../completion/fish';
import { zshScript } from '../completion/zsh';
import { Output } from '../output';

const shells = ['bash', 'zsh', 'fish'] as const;

function scriptOf(shell: (typeof shells)[number], program: Command): string {
  const commands = completedCommands(program);
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](commands);
}

/** The script names all commands, though this one may be alone in `program`. */
export function addCompletion(program: Command, everyCommand: () => Command): void {
  program
    .command('completion')
    .description('a script that completes commands, options and their values in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .option('--json', 'print JSON Lines')
    .addHelpText(
      'after',
      `
Examples:
  $ onespike completion bash > ~/.local/share/bash-completion/completions/onespike
  $ onespike completion zsh > "\${fpath[1]}/_onespike"
  $ onespike completion fish > ~/.config/fish/completions/onespike.fish

A shell that starts after that completes the command \`onespike\`.`,
    )
    .action((shell: (typeof shells)[number], flags: { json?: boolean }) => {
      const output = new Output(flags.json === true);
      const script = scriptOf(shell, everyCommand());
      output.event({ event: 'completion', shell, script });
      output.line(script.trimEnd());
    });
}
