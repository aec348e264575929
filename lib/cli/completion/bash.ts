// The script for bash. One function walks over the words before the cursor to find the command and the number of the
// argument, and then looks up what may stand there.
import type { CompletedCommand, CompletedOption, Values } from './commands';

const quoted = (words: readonly string[]): string => `'${words.join(' ').replace(/'/g, "'\\''")}'`;

/** A line of the script that answers with these values. */
function answer({ words, paths }: Values): string {
  const names = words.length === 0 ? [] : [`_onespike_words ${quoted(words)}`];
  return [...names, ...(paths === 'none' ? [] : [`_onespike_${paths}`])].join('; ') || ':';
}

const names = (options: readonly CompletedOption[]): string[] => options.flatMap((option) => option.names);

/** One branch of `case`: the places at which these values stand. */
const branch = (places: readonly string[], values: Values): string =>
  `    ${places.map((place) => `'${place}'`).join(' | ')}) ${answer(values)} ;;`;

function placesOf({ path, options, values, variadic }: CompletedCommand): string[] {
  const withValues = options.filter((option) => option.values !== null);
  return [
    ...withValues.map((option) =>
      branch(
        option.names.map((name) => `${path} ${name}`),
        option.values!,
      ),
    ),
    ...values.map((each, index) => {
      const rest = variadic && index === values.length - 1;
      return rest ? `    '${path} '*) ${answer(each)} ;;` : branch([`${path} ${index}`], each);
    }),
  ];
}

/** Completion for bash 4 and later. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  const byPath = commands.map(({ path, commands: children, options }) => {
    const takes = names(options.filter(({ values }) => values !== null));
    const words = children.map(({ name }) => name);
    return [
      `    '${path}')`,
      `      options=${quoted(names(options))} takes=${quoted([...takes, ''])} children=${quoted([...words, ''])} ;;`,
    ].join('\n');
  });
  return `# Completion of onespike for bash: \`onespike completion bash\` prints it.
_onespike_words() { COMPREPLY+=($(compgen -W "$1" -- "$cur")); }
_onespike_paths() {
  local path
  while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen "$1" -- "$cur")
  compopt -o filenames 2>/dev/null
}
_onespike_file() { _onespike_paths -f; }
_onespike_folder() { _onespike_paths -d; }
_onespike_run() {
  _onespike_paths -d
  local path
  for path in runs/*/; do
    path=\${path%/}
    [[ -d $path && $cur != */* && $path == "$cur"* ]] && COMPREPLY+=("$path")
  done
}
_onespike_about() {
  case $1 in
${byPath.join('\n')}
    *) options='' takes='' children='' ;;
  esac
}
_onespike() {
  local cur=\${COMP_WORDS[COMP_CWORD]} command='' argument=0 before='' options takes children word i
  COMPREPLY=()
  # bash takes --name=value for three words.
  [[ $cur == = ]] && cur=''
  _onespike_about ''
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == = ]]; then continue; fi
    if [[ -n $before ]]; then before=''; continue; fi
    if [[ $word == -?* ]]; then
      [[ " $takes" == *" $word "* ]] && before=$word
    elif [[ " $children" == *" $word "* && $argument == 0 ]]; then
      command=\${command:+$command }$word
      _onespike_about "$command"
    else
      argument=$((argument + 1))
    fi
  done
  if [[ -z $before && $cur == -* ]]; then _onespike_words "$options"; return; fi
  if [[ -z $before && -n $children ]]; then _onespike_words "$children"; return; fi
  case "$command \${before:-$argument}" in
${commands.flatMap(placesOf).join('\n')}
  esac
}
complete -F _onespike onespike
`;
}
