// What a shell can complete: the commands, their options and arguments, and what may stand there.
import type { Argument, Command, Option } from 'commander';
import { datasetNames } from '../../data';
import { PRECISIONS } from '../../model/network';
import { NORMS, SURROGATES } from '../../model/description';
import { VGG_NAMES } from '../../model/vgg';
import { BACKEND_CHOICES } from '../../native/devices';
import { presetNames } from '../../train/config/presets';
import { BUDGETS } from '../../train/config/recipes';
import { PHASES } from '../../train/run/events';
import { benchModes } from '../bench/settings';

/** What an argument, or the value of an option, may be: these words, and paths. */
export interface Values {
  words: readonly string[];
  /** `run`: folders, and the runs that lie in `runs/`. */
  paths: 'none' | 'file' | 'folder' | 'run';
}

export interface CompletedOption {
  /** As `['-o', '--output']`. */
  names: readonly string[];
  description: string;
  /** Null for an option without a value. */
  values: Values | null;
}

export interface CompletedCommand {
  /** The words after `onespike`, as `data fetch`; empty for the program itself. */
  path: string;
  description: string;
  commands: readonly { name: string; description: string }[];
  options: readonly CompletedOption[];
  /** Of each argument; the last one may be repeated. */
  values: readonly Values[];
  variadic: boolean;
}

/** Words for arguments and options whose names say what they are, by `command name`, else by name. */
const wordsOf: Readonly<Record<string, readonly string[]>> = {
  'preset|config.json': presetNames,
  'presets name': presetNames,
  'info name': datasetNames,
  'fetch name': datasetNames,
  'bench model': VGG_NAMES,
  'bench mode': benchModes,
  'bench --model': VGG_NAMES,
  'bench --mode': benchModes,
  'bench --images': ['train', 'test'],
  'import --model': VGG_NAMES,
  'export --format': ['onnx'],
  '--backend': BACKEND_CHOICES,
  '--budget': BUDGETS,
  '--dataset': datasetNames,
  '--max-pool': ['average'],
  '--network': PHASES,
  '--norm': NORMS,
  '--precision': PRECISIONS,
  '--surrogate': SURROGATES,
  '--theme': ['light', 'dark'],
};

/** What kind of path a placeholder stands for, as `dir` of `--data <dir>`. */
function pathsOf(placeholder: string): Values['paths'] {
  if (/\brun\b/.test(placeholder)) return 'run';
  if (/\bdir\b/.test(placeholder)) return 'folder';
  return /\b(file|image|model|json)\b/.test(placeholder) ? 'file' : 'none';
}

function optionOf(command: Command, option: Option): CompletedOption {
  const { short, long, flags, description, argChoices } = option;
  const placeholder = /[<[](.*?)(?:\.\.\.)?[>\]]/.exec(flags)?.[1];
  const words = argChoices ?? wordsOf[`${command.name()} ${long}`] ?? wordsOf[long ?? ''] ?? [];
  return {
    names: [short, long].filter((name) => name !== undefined),
    description,
    values: placeholder === undefined ? null : { words, paths: pathsOf(placeholder) },
  };
}

function valuesOf(command: Command, argument: Argument): Values {
  const name = argument.name();
  const words = argument.argChoices ?? wordsOf[`${command.name()} ${name}`] ?? wordsOf[name] ?? [];
  return { words, paths: pathsOf(name) };
}

/** The program and all its commands. */
export function completedCommands(command: Command, path: readonly string[] = []): CompletedCommand[] {
  const help = command.createHelp();
  const children = help.visibleCommands(command);
  const own: CompletedCommand = {
    path: path.join(' '),
    description: command.description(),
    commands: children.map((child) => ({ name: child.name(), description: child.description() })),
    options: help.visibleOptions(command).map((option) => optionOf(command, option)),
    values: command.registeredArguments.map((argument) => valuesOf(command, argument)),
    variadic: command.registeredArguments.at(-1)?.variadic === true,
  };
  return [own, ...command.commands.flatMap((child) => completedCommands(child as Command, [...path, child.name()]))];
}
