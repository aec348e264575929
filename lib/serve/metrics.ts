// Counters of a server in the text format that Prometheus reads.

/** Seconds that separate the classes of durations. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

class Histogram {
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(private readonly bounds: readonly number[]) {
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    const place = this.bounds.findIndex((bound) => value <= bound);
    if (place >= 0) this.#counts[place]!++;
    this.#sum += value;
    this.#count++;
  }

  lines(name: string): string[] {
    let below = 0;
    return [
      ...this.bounds.map((bound, i) => {
        below += this.#counts[i]!;
        return `${name}_bucket{le="${bound}"} ${below}`;
      }),
      `${name}_bucket{le="+Inf"} ${this.#count}`,
      `${name}_sum ${this.#sum}`,
      `${name}_count ${this.#count}`,
    ];
  }
}

/** What a server has done. */
export class Metrics {
  /** Requests by path, method and status. */
  readonly #requests = new Map<string, number>();
  readonly #classes = new Map<string, number>();
  readonly #seconds = new Histogram(SECONDS);
  readonly #batches = new Histogram(BATCHES);
  readonly #steps: Histogram;
  requests = 0;
  images = 0;
  spikes = 0;

  constructor(
    private readonly about: Readonly<Record<string, string>>,
    timesteps: number,
  ) {
    this.#steps = new Histogram(Array.from({ length: timesteps }, (_, t) => t + 1));
  }

  request(labels: { path: string; method: string; status: number }, seconds: number): void {
    this.requests++;
    add(this.#requests, labelText({ ...labels, status: String(labels.status) }));
    if (labels.path === '/predict') this.#seconds.observe(seconds);
  }

  batch(images: number, spikes: number): void {
    this.#batches.observe(images);
    this.spikes += spikes;
  }

  answer(name: string, step: number | null): void {
    this.images++;
    add(this.#classes, labelText({ class: name }));
    if (step !== null) this.#steps.observe(step);
  }

  /** All of it; `queue` images wait now. */
  text(queue: number): string {
    const family = (name: string, type: string, help: string, lines: readonly string[]): string[] => [
      `# HELP ${name} ${help}`,
      `# TYPE ${name} ${type}`,
      ...lines,
    ];
    const counts = (name: string, map: ReadonlyMap<string, number>): string[] =>
      [...map].map(([labels, count]) => `${name}${labels} ${count}`);
    const one = (name: string, value: number): string[] => [`${name} ${value}`];
    const prefix = 'onespike_';
    return [
      ...family(`${prefix}info`, 'gauge', 'The server.', [`${prefix}info${labelText(this.about)} 1`]),
      ...family(
        `${prefix}requests_total`,
        'counter',
        'Requests by path, method and status.',
        counts(`${prefix}requests_total`, this.#requests),
      ),
      ...family(
        `${prefix}request_seconds`,
        'histogram',
        'Time from the head of a request to /predict to its answer.',
        this.#seconds.lines(`${prefix}request_seconds`),
      ),
      ...family(`${prefix}images_total`, 'counter', 'Images answered.', one(`${prefix}images_total`, this.images)),
      ...family(
        `${prefix}predictions_total`,
        'counter',
        'Images answered, by class.',
        counts(`${prefix}predictions_total`, this.#classes),
      ),
      ...family(
        `${prefix}decision_step`,
        'histogram',
        'Step at which an answer was decided.',
        this.#steps.lines(`${prefix}decision_step`),
      ),
      ...family(
        `${prefix}batch_images`,
        'histogram',
        'Images that were computed together.',
        this.#batches.lines(`${prefix}batch_images`),
      ),
      ...family(
        `${prefix}spikes_total`,
        'counter',
        'Spikes of hidden neurons.',
        one(`${prefix}spikes_total`, this.spikes),
      ),
      ...family(`${prefix}queue_images`, 'gauge', 'Images that wait.', one(`${prefix}queue_images`, queue)),
      ...family(
        'process_resident_memory_bytes',
        'gauge',
        'Resident memory of the process.',
        one('process_resident_memory_bytes', process.memoryUsage.rss()),
      ),
      '',
    ].join('\n');
  }
}

function add(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const escaped = (value: string): string =>
    value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',')}}`;
}
