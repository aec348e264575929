// The program in C: constants, a loop over events, and a table of layers.
import { footprint, wideIndex, workSizes, type Program } from './footprint';
import { sizeOf, type Stage } from './stages';
import { comment, floatText, stringText, table } from './text';

const C_TYPES = { f32: 'float', i16: 'int16_t', i8: 'int8_t' } as const;

/** The whole file. */
export function sourceOf(program: Program): string {
  return [
    header(program),
    declarations(program),
    '#ifndef ONESPIKE_DECLARATIONS_ONLY\n',
    ...constants(program),
    layers(program),
    gather(program),
    neuron(program),
    layer(program),
    predict(program),
    '#endif /* ONESPIKE_DECLARATIONS_ONLY */\n',
  ].join('\n');
}

function header(program: Program): string {
  const { network, stages, title } = program;
  const { ram, flash, stack } = footprint(program);
  return `/*
 * ${comment(title)}
 *
 * A spiking network whose neurons fire at most once, as one file in C99: no other files, no allocation, no library.
 *
 *   int onespike_predict(const uint8_t *pixels, onespike_work *work, float *logits);
 *
 * takes ${network.input.join(' x ')} bytes (channel, row, column), fills ${stages.at(-1)!.out[0]} logits, and returns
 * the class with the largest one. Calls with different work memory may run at the same time. Files that only call it
 * define ONESPIKE_DECLARATIONS_ONLY before they include this one.
 *
 * RAM:   ${ram} bytes (onespike_work and the logits, provided by the caller) and about ${stack + 200} bytes of stack
 * Flash: ${flash} bytes of constants (weights ${stages[0]!.weights.type}) and about 2 kB of code
 */
`;
}

function declarations(program: Program): string {
  const { network, stages, classes } = program;
  const { even, odd, events, values } = workSizes(program);
  const names =
    classes === undefined || classes.length === 0
      ? ''
      : `\n/* The names of the classes, as an initialiser: static const char *const names[] = ONESPIKE_NAMES; */\n#define ONESPIKE_NAMES { ${classes.map(stringText).join(', ')} }\n`;
  return `#ifndef ONESPIKE_DECLARED
#define ONESPIKE_DECLARED

#include <stdint.h>

#define ONESPIKE_PIXELS ${sizeOf(network.input)}
#define ONESPIKE_CLASSES ${stages.at(-1)!.out[0]}
#define ONESPIKE_STEPS ${network.timesteps}
${names}
typedef ${wideIndex(program) ? 'uint32_t' : 'uint16_t'} onespike_index;

/* Memory for one prediction; its contents mean nothing between two calls. */
typedef struct {
${values > 0 ? `  float value[${values}];\n` : ''}  onespike_index index[${events}];
  uint8_t time[${events}];
  uint8_t even[${even}];
  uint8_t odd[${odd}];
} onespike_work;

int onespike_predict(const uint8_t *pixels, onespike_work *work, float *logits);

#endif /* ONESPIKE_DECLARED */
`;
}

function constants({ stages, pixels }: Program): string[] {
  const tables: string[] = [];
  if (pixels.analog !== undefined)
    tables.push(
      '/* The analog value of a byte, for each channel. */',
      table('float', 'onespike_analog', pixels.analog.values),
    );
  if (pixels.times !== undefined)
    tables.push(
      '/* The step at which a byte sends its spike, 0 for none. */',
      table('uint8_t', 'onespike_times', pixels.times),
    );
  if (pixels.values !== undefined)
    tables.push('/* What a byte sends, for each step. */', table('float', 'onespike_values', pixels.values));
  for (const { layer: n, weights, bias, thresholds, kappa } of stages) {
    tables.push(table(C_TYPES[weights.type], `onespike_weight_${n}`, weights.values));
    if (weights.scales !== undefined) tables.push(table('float', `onespike_scale_${n}`, weights.scales));
    if (bias !== undefined) tables.push(table('float', `onespike_bias_${n}`, bias));
    tables.push(table('float', `onespike_threshold_${n}`, thresholds));
    if (kappa !== undefined) tables.push(table('float', `onespike_kappa_${n}`, kappa));
  }
  return tables;
}

function layers({ stages }: Program): string {
  const integers = stages[0]!.weights.type !== 'f32';
  const entry = (stage: Stage): string => {
    const { layer: n, bias, kappa, source, pool, pooled, out, kernel, stride, padding, leak, initial } = stage;
    return [
      `  { onespike_weight_${n},`,
      ...(integers ? [`onespike_scale_${n},`] : []),
      `${bias === undefined ? '0' : `onespike_bias_${n}`}, onespike_threshold_${n},`,
      `${kappa === undefined ? '0' : `onespike_kappa_${n}`}, ${floatText(leak)},`,
      ...(begins(stages) ? [`${floatText(initial)},`] : []),
      `${floatText(1 / pool ** 2)},\n   `,
      `${n}, ${[...source, pool, pooled[1], pooled[2], ...out, ...kernel, stride, padding].join(', ')} }`,
    ].join(' ');
  };
  return `typedef struct {
  const ${C_TYPES[stages[0]!.weights.type]} *weight; /* (outputs, channels, rows, columns of the kernel) */
${integers ? '  const float *scale; /* of the weights of each output */\n' : ''}  const float *bias; /* or 0 */
  const float *threshold; /* for each step */
  const float *kappa; /* the weight of each step, or 0 */
  float leak;
${begins(stages) ? '  float initial; /* the potential before the first step */\n' : ''}\
  float share; /* of one neuron in a pool */
  int32_t number;
  int32_t channels, height, width; /* the map that is read */
  int32_t pool, pooled_height, pooled_width;
  int32_t out, out_height, out_width;
  int32_t kernel_height, kernel_width, stride, padding;
} onespike_layer;

static const onespike_layer onespike_layers[${stages.length}] = {
${stages.map(entry).join(',\n')}
};

#ifndef ONESPIKE_TRACE
/* What is done with the spike times of a hidden layer (channel, row, column), 0 for none. */
#define ONESPIKE_TRACE(layer, times, count) ((void)0)
#endif
`;
}

/** Whether neurons begin with a potential other than 0. */
function begins(stages: readonly Stage[]): boolean {
  return stages.some(({ initial }) => initial !== 0);
}

/** The events that reach one position of the output map. */
function gather({ pixels }: Program): string {
  const first = [
    ...(pixels.analog === undefined ? [] : ['work->value[count] = onespike_analog[256 * c + in[place]];']),
    `work->time[count] = ${pixels.times === undefined ? 'in[place]' : 'onespike_times[in[place]]'};`,
  ];
  return `/* Lists what the neurons at a row and a column of the output receive, and returns how many entries there are. */
static int32_t onespike_gather(const onespike_layer *l, const uint8_t *in, int32_t row, int32_t column,
                               onespike_work *work, int first) {
  int32_t count = 0, c, ky, kx, py, px;
  for (c = 0; c < l->channels; c++)
    for (ky = 0; ky < l->kernel_height; ky++) {
      const int32_t y = row * l->stride + ky - l->padding;
      if (y < 0 || y >= l->pooled_height) continue;
      for (kx = 0; kx < l->kernel_width; kx++) {
        const int32_t x = column * l->stride + kx - l->padding;
        if (x < 0 || x >= l->pooled_width) continue;
        for (py = 0; py < l->pool; py++)
          for (px = 0; px < l->pool; px++) {
            const int32_t place = (c * l->height + y * l->pool + py) * l->width + x * l->pool + px;
            if (first) {
              ${first.join('\n              ')}
            } else {
              if (in[place] == 0) continue;
              work->time[count] = in[place];
            }
            work->index[count++] = (onespike_index)((c * l->kernel_height + ky) * l->kernel_width + kx);
          }
      }
    }
  return count;
}
`;
}

/** The weighted inputs of one neuron at all steps. */
function neuron({ stages, pixels }: Program): string {
  const { type } = stages[0]!.weights;
  const integers = type !== 'f32';
  const weight = C_TYPES[type];
  const sum = integers ? 'int32_t' : 'float';
  const factor = integers ? 'l->share * l->scale[output]' : 'l->share';
  const { analog, values } = pixels;
  const valued = values !== undefined;
  const float = (text: string): string => (integers ? `(float)${text}` : text);
  const body: string[] = [];
  if (valued)
    body.push(
      '  if (first) {',
      '    for (e = 0; e < count; e++)',
      '      for (t = 0; t < ONESPIKE_STEPS; t++)',
      `        current[t] += ${float('weight[work->index[e]]')} * onespike_values[256 * t + work->time[e]];`,
      '    for (t = 0; t < ONESPIKE_STEPS; t++) current[t] *= factor;',
      '  } else {',
    );
  const indent = valued ? '    ' : '  ';
  // With an analog value at every step there is no spike of a pixel.
  const spikes = pixels.times !== undefined;
  const guard = analog !== undefined && !spikes ? `${indent}if (!first)\n  ` : '';
  body.push(
    `${guard}${indent}for (e = 0; e < count; e++) sum[work->time[e]] += weight[work->index[e]];`,
    `${indent}for (t = 0; t < ONESPIKE_STEPS; t++) current[t] = factor * ${float('sum[t + 1]')};`,
  );
  if (valued) body.push('  }');
  if (analog !== undefined)
    body.push(
      '  if (first) {',
      '    float value = 0.0f;',
      `    for (e = 0; e < count; e++) value += ${float('weight[work->index[e]]')} * work->value[e];`,
      `    for (t = 0; t < ${analog.steps}; t++) current[t] += factor * value;`,
      '  }',
    );
  const usesFirst = valued || analog !== undefined;
  return `/* The weighted input of an output channel at every step. */
static void onespike_currents(const onespike_layer *l, const onespike_work *work, int32_t count, int32_t output,
                              int32_t inputs, int first, float *current) {
  const ${weight} *weight = l->weight + output * inputs;
  const float factor = ${factor};
  ${sum} sum[ONESPIKE_STEPS + 1];
  int32_t e;
  int t;
${usesFirst ? '' : '  (void)first;\n'}  for (t = 0; t <= ONESPIKE_STEPS; t++) sum[t] = 0;
  for (t = 0; t < ONESPIKE_STEPS; t++) current[t] = 0.0f;
${body.join('\n')}
  for (t = 0; t < ONESPIKE_STEPS; t++) {
    if (l->kappa) current[t] *= l->kappa[t];
    if (l->bias) current[t] += l->bias[output];
  }
}
`;
}

function layer({ network, stages }: Program): string {
  const { threshold } = stages.at(-1)!;
  return `/* The spike times of a hidden layer. */
static void onespike_hidden(const onespike_layer *l, const uint8_t *in, uint8_t *out, onespike_work *work, int first) {
  const int32_t inputs = l->channels * l->kernel_height * l->kernel_width;
  int32_t row, column, output;
  for (row = 0; row < l->out_height; row++)
    for (column = 0; column < l->out_width; column++) {
      const int32_t count = onespike_gather(l, in, row, column, work, first);
      for (output = 0; output < l->out; output++) {
        float current[ONESPIKE_STEPS], potential = ${begins(stages) ? 'l->initial' : '0.0f'};
        uint8_t time = 0;
        int t;
        onespike_currents(l, work, count, output, inputs, first, current);
        for (t = 0; t < ONESPIKE_STEPS && time == 0; t++) {
          potential = l->leak * potential + current[t];
          if (potential > l->threshold[t]) time = (uint8_t)(t + 1);
        }
        out[(output * l->out_height + row) * l->out_width + column] = time;
      }
    }
  ONESPIKE_TRACE(l->number, out, l->out * l->out_height * l->out_width);
}

/* The logits: the final potential, and how early it was above the threshold. */
static void onespike_readout(const onespike_layer *l, const uint8_t *in, onespike_work *work, float *logits, int first) {
  const int32_t inputs = l->channels * l->kernel_height * l->kernel_width;
  const int32_t count = onespike_gather(l, in, 0, 0, work, first);
  int32_t output;
  for (output = 0; output < l->out; output++) {
    float current[ONESPIKE_STEPS], potential = 0.0f;
    int t, time = ONESPIKE_STEPS + 1;
    onespike_currents(l, work, count, output, inputs, first, current);
    for (t = 0; t < ONESPIKE_STEPS; t++) {
      potential = l->leak * potential + current[t];
      if (potential > l->threshold[t] && time > ONESPIKE_STEPS) time = t + 1;
    }
    logits[output] =
        ${floatText(network.alpha)} * potential / ${floatText(threshold)} + ${floatText(network.beta)} * (float)(ONESPIKE_STEPS + 1 - time);
  }
}
`;
}

function predict({ stages }: Program): string {
  const last = stages.length - 1;
  return `int onespike_predict(const uint8_t *pixels, onespike_work *work, float *logits) {
  const uint8_t *in = pixels;
  int i, best = 0;
  for (i = 0; i < ${last}; i++) {
    uint8_t *out = i % 2 == 0 ? work->even : work->odd;
    onespike_hidden(&onespike_layers[i], in, out, work, i == 0);
    in = out;
  }
  onespike_readout(&onespike_layers[${last}], in, work, logits, ${last === 0 ? 1 : 0});
  for (i = 1; i < ONESPIKE_CLASSES; i++)
    if (logits[i] > logits[best]) best = i;
  return best;
}
`;
}
