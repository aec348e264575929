// `serve`: a network that answers over HTTP.
import type { Command } from 'commander';
import { compact } from '../../style';
import { SERVE_LIMITS } from '../../../serve/limits';
import { numberOption, portOption, rangeOption } from '../../usage';
import { addRunOptions, earlyExitOption, spikingOnly, withRun, type RunFlags } from '../run';
import { findTrained, packagedOrFail, trainedOf } from './trained';

interface ServeFlags extends RunFlags {
  host?: string;
  port?: number;
  batch?: number;
  queue?: number;
  maxBytes?: number;
  timeout?: number;
}

const DEFAULT_PORT = 8080;

export function addServe(program: Command): void {
  addRunOptions(
    program
      .command('serve')
      .description('answer for pictures over HTTP')
      .argument(
        '[run|model]',
        'folder of a run, a model file, or the name of a model (default: the trained network of this package)',
      ),
  )
    .option('--host <address>', 'address to listen on (default: 127.0.0.1, which other machines do not reach)')
    .option('--port <n>', `port to listen on, 0 for any that is free (default: ${DEFAULT_PORT})`, portOption)
    .option('--batch <n>', 'images that are computed together at most (default: 32)', rangeOption(SERVE_LIMITS.batch))
    .option('--queue <n>', 'images that wait at most; more are refused (default: 256)', rangeOption(SERVE_LIMITS.queue))
    .option('--max-bytes <n>', 'size of a request at most (default: 16777216)', rangeOption(SERVE_LIMITS.maxBytes))
    .option(
      '--timeout <seconds>',
      'time of a request at most (default: 10)',
      numberOption(0, SERVE_LIMITS.timeoutMs.max / 1000),
    )
    .addOption(earlyExitOption())
    .addHelpText(
      'after',
      `
Examples:
  $ onespike serve runs/vgg6-shapes-20260102-030405 --port 8080
  $ curl --data-binary @cat.png http://127.0.0.1:8080/predict
  $ curl -F image=@cat.png -F image=@dog.png http://127.0.0.1:8080/predict`,
    )
    .action(async (path: string | undefined, flags: ServeFlags) => {
      const chosen = path === undefined ? await packagedOrFail('nothing') : await findTrained(path);
      await withRun(
        () => trainedOf(chosen),
        flags,
        async (model, network, output, signal) => {
          const { isLoopback, serve } = await import('../../../serve/index.js');
          const { host = '127.0.0.1', port = DEFAULT_PORT, batch, queue, maxBytes, timeout } = flags;
          const started = performance.now();
          const server = await serve(network, {
            ...{ host, port, batch, queue, maxBytes },
            name: model.name,
            mode: model.mode,
            classes: model.classes,
            earlyExit: spikingOnly(model, flags),
            timeoutMs: timeout === undefined ? undefined : Math.ceil(1000 * timeout),
            onRequest: (request) => {
              output.event({ event: 'request', ...request });
              const { method, path: asked, status, images, milliseconds } = request;
              output.line(`${method} ${asked}  ${status}  ${images} images  ${milliseconds.toFixed(1)} ms`);
            },
          });
          output.event({
            event: 'serve',
            url: server.url,
            model: model.name,
            mode: model.mode,
            backend: network.backend,
            input: network.description.input,
            classes: model.classes ?? null,
          });
          output.line(`${model.name} (${model.mode}, ${network.backend}) answers POST ${server.url}/predict`);
          if (!isLoopback(host))
            output.warn({
              code: 'SERVE_EXPOSED',
              message: `every machine that reaches ${host} can use this server, which knows no passwords and no encryption`,
            });
          await stopped(signal);
          const totals = await server.close();
          const seconds = (performance.now() - started) / 1000;
          output.event({ event: 'stopped', ...totals, seconds });
          output.line(`stopped after ${compact(totals.requests)} requests with ${compact(totals.images)} images`);
        },
      );
    });
}

/** Resolves when the signal fires. */
function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
