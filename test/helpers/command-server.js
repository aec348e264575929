// Runs command lines in one process, one after the other or side by side, without a start of Node.js for each: the
// child process of command-line.ts. A line { id, args, cwd, env } of stdin is answered on stdout by lines
// { id, stdout } or { id, stderr } for everything that the command writes, and by { id, status } at its end. There is
// no channel of messages, because workers of a sweep take one for that of the process that has started them.
const { AsyncLocalStorage } = require('node:async_hooks');
const path = require('node:path');
const { createInterface } = require('node:readline');

const dist = path.join(__dirname, '../../dist/lib/cli');
const { run } = require(path.join(dist, 'program.js'));

// A sweep starts the program again by this path.
process.argv[1] = path.join(dist, 'main.js');

/** The number of the command that what is going on belongs to. */
const running = new AsyncLocalStorage();
const { stdout, stderr } = process;
const [answer, complain] = [stdout, stderr].map((stream) => stream.write.bind(stream));
const say = (what) => answer(`${JSON.stringify(what)}\n`);

for (const [name, stream] of Object.entries({ stdout, stderr })) {
  // Every command listens for errors of the outputs, and never stops.
  stream.setMaxListeners(0);
  stream.write = (chunk, ...rest) => {
    const id = running.getStore();
    if (id === undefined) return complain(chunk, ...rest);
    say({ id, [name]: chunk.toString() });
    const done = rest.at(-1);
    if (typeof done === 'function') process.nextTick(() => done());
    return true;
  };
}

async function carryOut({ id, args, cwd, env }) {
  process.chdir(cwd);
  Object.assign(process.env, env);
  const status = await running.run(id, () => run(args));
  for (const name of Object.keys(env)) delete process.env[name];
  say({ id, status });
}

createInterface({ input: process.stdin })
  .on('line', (line) => void carryOut(JSON.parse(line)))
  // A command that goes on until it is stopped does not outlive the tests.
  .on('close', () => process.exit());
