// Why a request is not answered, as HTTP says it.
import { isOneSpikeError } from '../errors';

/** A request that is refused, with the status of HTTP that says why. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/**
 * The refusal that an error of the work amounts to: what is wrong with a picture is the sender's, all else is the
 * server's.
 */
export function refusalOf(error: unknown): Refusal & { code?: string } {
  if (error instanceof Refusal) return error;
  if (!isOneSpikeError(error)) return new Refusal(500, 'the server failed');
  const status = error.code === 'ERR_FORMAT' ? 400 : error.code === 'ERR_ABORTED' ? 503 : 500;
  return Object.assign(new Refusal(status, error.message), { code: error.code });
}
