// Runs a program to its end and reads the JSON that it says.
import { spawn } from 'node:child_process';
import { Failure } from '../../scripts/lib.mjs';

/** @type {import('node:child_process').ChildProcess | null} */
let running = null;

/** Ends the program that runs, if one does. */
export const stopChild = () => running?.kill('SIGTERM');

/**
 * The object on the last line of stdout. Errors: what the program said, when it fails or says no JSON.
 *
 * @param {string | undefined} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
export async function lastJson(command, args, env) {
  const { lines, shown, stderr } = await output(command, args, env);
  return parsed(lines.at(-1) ?? '', shown, stderr);
}

/**
 * The objects on all lines of stdout. Errors: as `lastJson`.
 *
 * @param {string | undefined} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 */
export async function jsonLines(command, args, env) {
  const { lines, shown, stderr } = await output(command, args, env);
  return lines.map((line) => parsed(line, shown, stderr));
}

/**
 * @param {string} line
 * @param {string} shown
 * @param {string} stderr
 * @returns {Record<string, any>}
 */
function parsed(line, shown, stderr) {
  try {
    return JSON.parse(line);
  } catch {
    throw new Failure(`Expected JSON from "${shown}" but received '${line.slice(-200)}'\n${stderr.trimEnd()}`);
  }
}

/**
 * @param {string | undefined} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{ lines: string[], shown: string, stderr: string }>}
 */
function output(command = '', args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    running = child;
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr = (stderr + chunk).slice(-4000)));
    child.on('error', (error) => reject(new Failure(`Expected to start ${command} but received: ${error.message}`)));
    child.on('close', (code, signal) => {
      running = null;
      const shown = [command, ...args].map((word) => (word.length > 80 ? `${word.slice(0, 80)}…` : word)).join(' ');
      if (code !== 0)
        return reject(
          new Failure(`Expected "${shown}" to succeed but it ended with ${signal ?? code}\n${stderr.trimEnd()}`),
        );
      resolve({ lines: stdout.trim().split('\n'), shown, stderr });
    });
  });
}
