// The script for zsh: a function for each command, which gives its options and arguments to `_arguments`.
import type { CompletedCommand, CompletedOption, Values } from './commands';

const quoted = (text: string): string => `'${text.replace(/'/g, "'\\''")}'`;
/** Within a specification of `_arguments`, where colons and brackets divide. */
const plain = (text: string): string => text.replace(/[\\:[\]]/g, '\\$&');

/** What completes the values, as an action of `_arguments`. */
function action({ words, paths }: Values): string {
  const files = { none: '', file: '_files', folder: '_files -/', run: '_onespike_runs' }[paths];
  const list = `(${words.join(' ')})`;
  if (words.length === 0) return files || ' ';
  return files === '' ? list : `_alternative "words:name:${list}" "paths:path:${files}"`;
}

function optionText({ names, description, values }: CompletedOption): string[] {
  const value = values === null ? '' : `:value:${action(values)}`;
  // An option may be repeated only where commander collects it, which a shell need not know.
  return names.map((name) => quoted(`*${name}[${plain(description)}]${value}`));
}

const functionName = (path: string): string => `_onespike${path === '' ? '' : `_${path.replace(/\W/g, '_')}`}`;

function commandFunction({ path, commands, options, values, variadic }: CompletedCommand): string {
  const specifications = options.flatMap(optionText);
  if (commands.length === 0) {
    const positions = values.map((each, index) => {
      const position = variadic && index === values.length - 1 ? '*' : String(index + 1);
      return quoted(`${position}:argument:${action(each)}`);
    });
    return `${functionName(path)}() {
  _arguments -s ${[...specifications, ...positions].join(' \\\n    ')}
}`;
  }
  const list = commands.map(({ name, description }) => quoted(`${plain(name)}:${description}`));
  return `${functionName(path)}() {
  local context state state_descr line
  typeset -A opt_args
  _arguments -C -s ${specifications.join(' \\\n    ')} \\
    '1:command:->command' '*::argument:->argument'
  case $state in
    command)
      local commands=(${list.join(' \\\n        ')})
      _describe command commands ;;
    argument)
      local name="${functionName(path)}_\${words[1]//[^a-zA-Z0-9_]/_}"
      (( $+functions[$name] )) && "$name" ;;
  esac
}`;
}

/** Completion for zsh 5. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef onespike
# Completion of onespike for zsh: \`onespike completion zsh\` prints it.
_onespike_runs() {
  local -a runs=(runs/*(N/))
  (( $#runs )) && compadd -f -- $runs
  _files -/
}
${commands.map(commandFunction).join('\n')}
# Loaded from a folder of fpath this file is the function itself; sourced, it names the function.
if [[ $funcstack[1] == _onespike ]]; then _onespike "$@"; else compdef _onespike onespike; fi
`;
}
