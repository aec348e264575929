#!/usr/bin/env node
// Draws docs/spike-times.svg, the picture of the README: one test image on its way through a trained spiking network,
// as maps of spike times. Everything in it is computed by the network of the run.
//
//   node scripts/spike-time-picture.mjs RUN [INDEX]     RUN: a finished run, such as that of `npm start`; INDEX of the
// test image
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { Failure, inRoot, main, say } from './lib.mjs';

/** @type {typeof import('../dist/index.mjs')} */
const { loadRun, Network } = createRequire(import.meta.url)(inRoot('dist/lib/index.js'));
/** @type {typeof import('../lib/pictures/draw/png.js')} */
const { dataUri, imagePng } = createRequire(import.meta.url)(inRoot('dist/lib/pictures/draw/png.js'));

// Early is bright. The panels are dark on any page, the text is legible on light and dark ones.
const stepColours = ['#fff3b0', '#ffb347', '#f2635f', '#b53b8a', '#6247aa'];
const silent = '#141826';
const ink = '#7a828c';

const panel = 128;
const linearColumns = 16;
const gap = 32;
const top = 36;

/**
 * One map of spike times, `width` cells a row, drawn `size` pixels wide at (x, y).
 *
 * @param {Uint8Array} times
 * @param {number} width
 * @param {number} x
 * @param {number} y
 * @param {number} size
 * @param {readonly string[]} colours
 */
function drawMap(times, width, x, y, size, colours) {
  const cell = size / width;
  const height = (times.length / width) * cell;
  const paths = colours.map((colour, step) => {
    /** @type {string[]} */
    const cells = [];
    times.forEach((time, i) => {
      if (time === step + 1) cells.push(`M${i % width} ${Math.floor(i / width)}h1v1h-1z`);
    });
    return cells.length === 0 ? '' : `<path fill="${colour}" d="${cells.join('')}"/>`;
  });
  return (
    `<rect x="${x}" y="${y}" width="${size}" height="${height}" fill="${silent}" stroke="${ink}" stroke-width="0.5"/>` +
    `<g transform="translate(${x} ${y}) scale(${cell})" shape-rendering="crispEdges">${paths.join('')}</g>`
  );
}

/**
 * The channels whose maps tell most: the largest entropy over the spike times.
 *
 * @param {Uint8Array} times
 * @param {number} channels
 * @param {number} count
 */
function liveliest(times, channels, count) {
  const size = times.length / channels;
  /** @param {number} channel */
  const entropy = (channel) => {
    /** @type {Map<number, number>} */
    const shares = new Map();
    for (const time of times.subarray(channel * size, (channel + 1) * size))
      shares.set(time, (shares.get(time) ?? 0) + 1 / size);
    return [...shares.values()].reduce((sum, share) => sum - share * Math.log(share), 0);
  };
  const ranked = Array.from({ length: channels }, (_, channel) => channel).sort((a, b) => entropy(b) - entropy(a));
  return ranked.slice(0, count).sort((a, b) => a - b);
}

/**
 * What the encoder sends after the analog step: spike times of a layer that repeats one channel of its input.
 *
 * @param {import('../dist/index.mjs').ResolvedNetwork} description
 * @param {Uint8Array} pixels
 */
async function codedInput(description, pixels) {
  const [, height, width] = description.input;
  const network = await Network.create({
    input: [1, height, width],
    timesteps: description.timesteps,
    mean: [0.5],
    std: [1e6], // the analog value vanishes beside a spike
    lo: description.lo,
    hi: description.hi,
    layers: [
      { type: 'conv', out: 1, kernel: 1, padding: 0, threshold: 0.5, leak: 0 },
      { type: 'linear', out: 2, output: true },
    ],
  });
  await network.setParameters({ 'layers.0.weight': new Float32Array([1]) });
  const { spikeTimes } = await network.forward(pixels, { trace: true });
  await network.dispose();
  return timesOf(spikeTimes, 0);
}

/**
 * The map of spike times of a layer in a trace.
 *
 * @param {import('../dist/index.mjs').SpikeTimes | undefined} spikeTimes
 * @param {number} layer
 */
function timesOf(spikeTimes, layer) {
  const times = spikeTimes?.get(layer);
  if (times === undefined) throw new Failure(`Expected spike times of layer ${layer} but received none`);
  return times;
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} words
 * @param {string} [options]
 */
function text(x, y, words, options = '') {
  return `<text x="${x}" y="${y}" ${options}>${words}</text>`;
}

await main(async () => {
  const [runPath, index = '0'] = process.argv.slice(2);
  if (runPath === undefined) throw new Failure('Usage: node scripts/spike-time-picture.mjs RUN [INDEX]');
  const run = await loadRun(runPath);
  const network = await run.network();
  const { test } = await run.dataset();
  const [channels, side] = test.shape;
  /** @param {number | undefined} label */
  const nameOf = (label) => test.classes[label ?? -1] ?? 'unknown';
  const image = channels * side * side;
  const pixels = test.pixels.slice(Number(index) * image, (Number(index) + 1) * image);
  const { spikeTimes, logits, predictions } = await network.forward(pixels, { trace: true });
  const { layers, timesteps } = network.description;
  const colours = stepColours.slice(0, timesteps);

  /** @type {string[]} */
  const drawn = [];
  let x = 1;
  /** @type {(title: string, caption: string, draw: (x: number) => string) => void} */
  const place = (title, caption, draw) => {
    if (x > 1) {
      const middle = top + panel / 2;
      drawn.push(`<path d="M${x - gap + 6} ${middle}h${gap - 12}m-6 -5l6 5l-6 5" fill="none" stroke="${ink}"/>`);
    }
    drawn.push(text(x, 22, title, 'font-weight="600"'), draw(x), text(x, top + panel + 20, caption, 'font-size="13"'));
    x += panel + gap;
  };

  place('image', `label: ${nameOf(test.labels[Number(index)])}`, (at) => {
    const place = `x="${at}" y="${top}" width="${panel}" height="${panel}" style="image-rendering:pixelated"`;
    return `<image ${place} href="${dataUri(imagePng(pixels, 3, side))}"/>`;
  });
  const green = pixels.subarray(side * side, 2 * side * side);
  const coded = await codedInput(network.description, green);
  place('coded input', 'brighter is earlier', (at) => drawMap(coded, side, at, top, panel, colours));

  const hidden = network.layers.slice(0, -1);
  for (const { layer, neurons } of hidden.filter((_, i) => i < hidden.length - 1)) {
    const times = timesOf(spikeTimes, layer);
    const fired = times.reduce((sum, time) => sum + (time > 0 ? 1 : 0), 0) / neurons;
    const { type = 'conv', out = 1 } = layers[layer] ?? {};
    const caption = `${(100 * fired).toFixed(0)} % of ${neurons.toLocaleString('en')} fire`;
    if (type === 'linear') {
      const height = (panel * neurons) / linearColumns ** 2;
      place('linear', caption, (at) => drawMap(times, linearColumns, at, top + (panel - height) / 2, panel, colours));
      continue;
    }
    const size = neurons / out;
    const grid = size >= 1024 ? 2 : 3;
    const each = (panel - 4 * (grid - 1)) / grid;
    place('convolution', caption, (at) =>
      liveliest(times, out, grid * grid)
        .map((channel, i) => {
          const map = times.subarray(channel * size, (channel + 1) * size);
          const left = at + (i % grid) * (each + 4);
          return drawMap(map, Math.sqrt(size), left, top + Math.floor(i / grid) * (each + 4), each, colours);
        })
        .join(''),
    );
  }

  const largest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  const best = powers.map((power, k) => ({ share: power / sum, k })).sort((a, b) => b.share - a.share);
  place('answer', `predicted: ${nameOf(predictions[0])}`, (at) =>
    best
      .slice(0, 3)
      .map(({ share, k }, i) => {
        const y = top + 8 + 42 * i;
        return (
          text(at, y + 8, `${nameOf(k)}  ${(100 * share).toFixed(1)} %`, 'font-size="14"') +
          `<rect x="${at}" y="${y + 14}" width="${panel}" height="8" fill="${ink}" opacity="0.25"/>` +
          `<rect x="${at}" y="${y + 14}" width="${(panel * share).toFixed(1)}" height="8" fill="${stepColours[1]}"/>`
        );
      })
      .join(''),
  );
  await network.dispose();

  const width = x - gap + 1;
  const bottom = top + panel + 58;
  const legend = [text(1, bottom, 'Each neuron fires at most once. Colour: the step of its spike', 'font-size="14"')];
  [...colours, silent].forEach((colour, i) => {
    const at = 460 + 50 * i;
    legend.push(
      `<rect x="${at}" y="${bottom - 10}" width="12" height="12" fill="${colour}" stroke="${ink}" stroke-width="0.5"/>`,
      text(at + 17, bottom, i < colours.length ? String(i + 1) : 'never', 'font-size="14"'),
    );
  });
  const style = `font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="15" fill="${ink}"`;
  const title = 'One image on its way through a trained network, as maps of spike times';
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom + 12}" width="${width}" ${style}>\n` +
    `<title>${title}</title>\n${[...drawn, ...legend].join('\n')}\n</svg>\n`;
  const file = inRoot('docs/spike-times.svg');
  fs.writeFileSync(file, svg);
  say(`${path.relative(process.cwd(), file)}: ${svg.length} bytes, ${nameOf(predictions[0])}`);
});
