// The one error class of the package. Callers match `code`, never the class or the text: a copy of the package in
// another realm or bundle has another class, but the same codes.

/** All error codes. */
export const ERROR_CODES = [
  'ERR_ARG',
  'ERR_SHAPE',
  'ERR_STATE',
  'ERR_BUSY',
  'ERR_ABORTED',
  'ERR_OOM',
  'ERR_CUDA',
  'ERR_NO_BACKEND',
  'ERR_FORMAT',
  'ERR_IO',
] as const;

/**
 * The code of an error, by which callers tell failures apart: `ERR_ARG` a value of the wrong type or range, `ERR_SHAPE`
 * sizes that do not fit together, `ERR_STATE` disposed or not ready, `ERR_BUSY` another job of the same network runs,
 * `ERR_ABORTED` stopped on request, `ERR_OOM` out of memory, `ERR_CUDA` the GPU failed, `ERR_NO_BACKEND` the wanted
 * backend cannot run here, `ERR_FORMAT` a file is not what its reader expects, `ERR_IO` the operating system refused a
 * read or a write. The set is closed.
 */
export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * The error of every failure that onespike reports. Its message says what was expected, where, and what was received.
 */
export class OneSpikeError extends Error {
  /** The name of the class. */
  declare readonly name: 'OneSpikeError';
  /** What kind of failure it is. */
  readonly code: ErrorCode;

  static {
    // On the prototype, so that V8 already finds it when it writes the first line of `stack`.
    Object.defineProperty(this.prototype, 'name', { value: 'OneSpikeError', configurable: true, writable: true });
  }

  /** Creates an error with a code, a message and, in `options`, the error that caused it. */
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && (ERROR_CODES as readonly string[]).includes(value);
}

/** Tells whether a value is an error with one of the codes, whichever copy of the package or realm created it. */
export function isOneSpikeError(error: unknown): error is OneSpikeError {
  return typeof error === 'object' && error !== null && isErrorCode((error as { code?: unknown }).code);
}

/** A native error (an `Error` with a `code`) as a OneSpikeError whose stack starts at the JavaScript caller. What is no
 *  error of the closed set comes back as ERR_STATE with the original as its cause, unless `options` name another. */
export function toOneSpikeError(error: unknown, options: { cause?: unknown } = {}): OneSpikeError {
  if (error instanceof OneSpikeError) return error;
  if (isOneSpikeError(error)) return new OneSpikeError(error.code, String(error.message), options);
  const message =
    typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
  return new OneSpikeError('ERR_STATE', `Unexpected failure: ${message}`, { cause: error, ...options });
}
