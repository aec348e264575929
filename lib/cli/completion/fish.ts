// The script for fish: one line for each command, option and argument.
import type { CompletedCommand, CompletedOption, Values } from './commands';

const quoted = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;

function valuesText({ words, paths }: Values): string {
  const folders = paths === 'folder' || paths === 'run' ? ['(__fish_complete_directories)'] : [];
  const runs = paths === 'run' ? ['(__onespike_runs)'] : [];
  const all = [...words, ...folders, ...runs];
  return `${paths === 'file' ? '-F' : '-f'}${all.length === 0 ? '' : ` -a ${quoted(all.join(' '))}`}`;
}

function optionLine(condition: string, { names, description, values }: CompletedOption): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const value = values === null ? '' : ` -r ${valuesText(values)}`;
  return `complete -c onespike ${condition} ${flags.join(' ')}${value} -d ${quoted(description)}`;
}

/** Completion for fish 3 and later. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ path, commands: children, options, values, variadic }) => {
    const words = path === '' ? [] : path.split(' ');
    const condition = `-n ${quoted(`__onespike_at ${words.join(' ')}`.trim())}`;
    return [
      ...children.map(
        ({ name, description }) => `complete -c onespike ${condition} -f -a ${quoted(name)} -d ${quoted(description)}`,
      ),
      ...options.map((option) => optionLine(condition, option)),
      ...values.map((each, index) => {
        const last = index === values.length - 1 && variadic;
        const place = `-n ${quoted(`__onespike_argument ${last ? 'from' : 'is'} ${index} ${words.join(' ')}`)}`;
        return `complete -c onespike ${place} ${valuesText(each)}`;
      }),
    ];
  });
  const takes = commands.flatMap(({ options }) =>
    options.filter(({ values }) => values !== null).flatMap(({ names }) => names),
  );
  const paths = commands.map(({ path }) => path).filter((path) => path !== '');
  return `# Completion of onespike for fish: \`onespike completion fish\` prints it.
# The words before the cursor without options and their values.
function __onespike_words
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
        else if contains -- $word ${[...new Set(takes)].join(' ')}
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end
# The command that they begin with, as the words of its name.
function __onespike_command
    set -l words (__onespike_words)
    for count in 2 1
        if test (count $words) -ge $count; and contains -- "$words[1..$count]" ${paths.map(quoted).join(' ')}
            printf '%s\\n' $words[1..$count]
            return
        end
    end
end
function __onespike_at
    set -l command (__onespike_command)
    test "$command" = "$argv"
end
# Whether the argument at the cursor is the one of this number, or one from it on, of this command.
function __onespike_argument
    __onespike_at $argv[3..]; or return 1
    set -l command (__onespike_command)
    set -l number (math (count (__onespike_words)) - (count $command))
    test $number = $argv[2]; or test $argv[1] = from -a $number -ge $argv[2]
end
function __onespike_runs
    for run in runs/*/
        string trim -r -c / $run
    end
end
complete -c onespike -f
${lines.join('\n')}
`;
}
