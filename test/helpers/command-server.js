// Runs command lines one after the other, without a start of Node.js for each: the child process of command-line.ts. A
// line of stdin is a command, a line of stdout what it answered.
const path = require('node:path');
const { createInterface } = require('node:readline');

const dist = path.join(__dirname, '../../dist/lib/cli');
const { run } = require(path.join(dist, 'program.js'));

// A sweep starts the program again by this path.
process.argv[1] = path.join(dist, 'main.js');
// Every command listens for errors of the outputs, and never stops.
for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0);

/** Collects what is written to a stream, until it is called. */
function capture(stream) {
  const { write } = stream;
  let text = '';
  stream.write = (chunk, encoding, done) => {
    text += chunk.toString();
    const callback = typeof encoding === 'function' ? encoding : done;
    if (callback !== undefined) process.nextTick(callback);
    return true;
  };
  return () => {
    stream.write = write;
    return text;
  };
}

async function answer({ args, cwd, env }) {
  const before = process.cwd();
  Object.assign(process.env, env);
  process.chdir(cwd);
  const [stdout, stderr] = [capture(process.stdout), capture(process.stderr)];
  const status = await run(args);
  process.chdir(before);
  for (const name of Object.keys(env)) delete process.env[name];
  return { status, stdout: stdout(), stderr: stderr() };
}

async function main() {
  for await (const line of createInterface({ input: process.stdin }))
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
}
void main();
