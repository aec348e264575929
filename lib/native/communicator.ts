// The processes that train one network together, as MPI connects them.
import type { CommunicatorHandle, NativeProcessor } from '../../binding';
import { toOneSpikeError } from '../errors';
import { call, native } from './addon';

/** What the message of ERR_IO begins with that says of another rank that it has failed. */
export const otherRankFailed = 'Another rank has failed: ';

/**
 * The connection of this process to the other ranks, of which it has one. Every rank makes the same calls in the same
 * order. Errors of all calls: ERR_IO, naming a rank that gives no sign of life or has failed.
 */
export class Communicator {
  private constructor(readonly handle: CommunicatorHandle) {}

  /**
   * Loads the library that `onespike mpi build` has compiled, and waits for all ranks. A rank is silent that gives no
   * sign of life for `deadline` seconds. Errors: ERR_NO_BACKEND for a file that is no such library, ERR_IO if MPI
   * fails.
   */
  static async open(library: string, deadline: number): Promise<Communicator> {
    return new Communicator(await coded(native().communicatorOpen(library, deadline)));
  }

  /** This process among the ranks, and the host of every rank, as its MPI names it. */
  get place(): { rank: number; size: number; hosts: string[] } {
    return call((module) => module.communicatorPlace(this.handle));
  }

  /** The bytes of rank 0. All ranks give as many. */
  broadcast(bytes: Uint8Array): Promise<Uint8Array> {
    return coded(native().communicatorBroadcast(this.handle, bytes));
  }

  /** The bytes of all ranks, one after the other. All ranks give as many. */
  gather(bytes: Uint8Array): Promise<Uint8Array> {
    return coded(native().communicatorGather(this.handle, bytes));
  }

  /** As `gather`, of ranks that have failed or were told of it: whoever waits for numbers of this one is told now. */
  lastWords(bytes: Uint8Array): Promise<Uint8Array> {
    return coded(native().communicatorLastWords(this.handle, bytes));
  }

  /**
   * Links the GPUs of the ranks by NCCL: training steps add their gradients this way from then on. Answers its version.
   * Errors: ERR_NO_BACKEND on every rank, with the same reason, where one of them cannot.
   */
  link(device: number, library: string): Promise<string> {
    return coded(native().communicatorLink(this.handle, device, library));
  }

  barrier(): Promise<void> {
    return coded(native().communicatorBarrier(this.handle));
  }

  /** Ends MPI, once all ranks have called it. */
  close(): Promise<void> {
    return coded(native().communicatorClose(this.handle));
  }

  /** Ends the processes of all ranks where MPI reaches them, this one too; returns before that. */
  abort(): void {
    call((module) => module.communicatorAbort(this.handle));
  }
}

/** The version of an NCCL, such as '2.28.3'. Errors: ERR_NO_BACKEND with the reason. */
export function ncclVersion(library: string): string {
  return call((module) => module.ncclVersion(library));
}

/** The instruction sets that the CPU kernels could use here. */
export function processor(): NativeProcessor {
  return call((module) => module.processor());
}

/** Leaves out the instruction sets that are better than `target`, and than `bf16` for bf16, for the whole process. */
export function limitProcessor({ target, bf16 }: { target: string; bf16: NativeProcessor['bf16'] }): void {
  call((module) => module.limitProcessor(target, bf16));
}

async function coded<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toOneSpikeError(error);
  }
}
