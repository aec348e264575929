// A rank of the communicator's tests: `node program.cjs SCENARIO`, under mpirun. Prints one line of JSON.
const { join } = require('node:path');
const compiled = join(__dirname, '../../../dist/lib/cluster/ranks');
const { openRanks } = require(join(compiled, 'open.js'));
const { rankPlace } = require(join(compiled, 'place.js'));

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const text = (bytes) => Buffer.from(bytes).toString();

const scenarios = {
  /** Every call of the connection, on bytes of other lengths. */
  async collectives(ranks) {
    const { rank, size } = ranks;
    const sent = new TextEncoder().encode(rank === 0 ? 'of rank 0' : 'x');
    const broadcast = text(await ranks.broadcast(sent));
    const nothing = (await ranks.broadcast(new Uint8Array(rank === 0 ? 0 : 3))).length;
    const large = await ranks.broadcast(new Uint8Array(rank === 0 ? 3e6 : 0).fill(7));
    const gathered = (await ranks.gather(new TextEncoder().encode('r'.repeat(rank)))).map(text);
    await ranks.barrier();
    const any = [await ranks.any(false), await ranks.any(rank === size - 1)];
    await ranks.agree('the version', '1');
    const refused = await ranks
      .agree('the version', rank === 1 ? '2' : '1')
      .catch(({ code, message }) => `${code} ${message}`);
    say({
      rank,
      size,
      broadcast,
      nothing,
      large: [large.length, large.every((byte) => byte === 7)],
      gathered,
      any,
      refused,
    });
  },

  /** The native call with an argument too many. */
  async arity(ranks) {
    const { native } = require(join(compiled, '../../native/addon.js'));
    const call = () => native().communicatorBroadcast(ranks.handle, new Uint8Array(1), 0);
    say({
      message: await Promise.resolve()
        .then(call)
        .then(
          () => 'accepted',
          ({ message }) => message,
        ),
    });
    await ranks.barrier();
  },

  /** Rank 1 does nothing for longer than the deadline, but lives. */
  async busy(ranks) {
    if (ranks.rank === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
    await ranks.barrier();
    say({ rank: ranks.rank, passed: true });
  },

  /** Ranks that wait for each other until something befalls them. */
  async wait(ranks) {
    say({ rank: ranks.rank, pid: process.pid });
    for (;;) {
      await ranks.any(false);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },

  /** Rank 1 fails, while the others wait for it. */
  async failing(ranks) {
    if (ranks.rank === 1) throw Object.assign(new Error('Expected a disk but received none'), { code: 'ERR_IO' });
    await ranks.barrier();
  },

  /** All ranks meet the same error. */
  async alike() {
    throw Object.assign(new Error('Training was interrupted'), { code: 'ERR_ABORTED' });
  },
};

async function main() {
  const ranks = await openRanks(rankPlace());
  const report = ({ code, message }) => say({ rank: ranks.rank, code, message });
  try {
    await scenarios[process.argv[2]](ranks);
    await ranks.close();
  } catch (error) {
    const reported = await ranks.end(error, report);
    if (reported !== null) report(reported);
    process.exitCode = error.code === 'ERR_ABORTED' ? 130 : 1;
  }
}

void main();
