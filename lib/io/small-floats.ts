// The floats of 8 and 16 bits that safetensors files hold. A float32 holds each of their numbers exactly.

interface Form {
  exponentBits: number;
  mantissaBits: number;
  /**
   * No infinities: only the pattern of all ones is no number, and the other patterns of the highest exponent are
   * numbers.
   */
  finite?: boolean;
}

const FORMS = {
  F16: { exponentBits: 5, mantissaBits: 10 },
  BF16: { exponentBits: 8, mantissaBits: 7 },
  F8_E5M2: { exponentBits: 5, mantissaBits: 2 },
  F8_E4M3: { exponentBits: 4, mantissaBits: 3, finite: true },
} as const satisfies Record<string, Form>;

export type SmallFloat = keyof typeof FORMS;

export const isSmallFloat = (type: string): type is SmallFloat => Object.hasOwn(FORMS, type);

const tables = new Map<SmallFloat, Float32Array>();

/** The number of every bit pattern of a type, made once. */
export function floatTable(type: SmallFloat): Float32Array {
  let table = tables.get(type);
  if (table === undefined) {
    const form: Form = FORMS[type];
    const patterns = 2 ** (1 + form.exponentBits + form.mantissaBits);
    table = Float32Array.from({ length: patterns }, (_, bits) => numberOf(bits, form));
    tables.set(type, table);
  }
  return table;
}

function numberOf(bits: number, { exponentBits, mantissaBits, finite = false }: Form): number {
  const ones = 2 ** exponentBits - 1;
  const exponent = (bits >> mantissaBits) & ones;
  const mantissa = bits & (2 ** mantissaBits - 1);
  const sign = bits >> (exponentBits + mantissaBits) === 0 ? 1 : -1;
  if (exponent === ones && !finite) return mantissa === 0 ? sign * Infinity : Number.NaN;
  if (exponent === ones && mantissa === 2 ** mantissaBits - 1) return Number.NaN;
  const bias = 2 ** (exponentBits - 1) - 1;
  // The lowest exponent has no leading one.
  const significand = exponent === 0 ? mantissa : 2 ** mantissaBits + mantissa;
  return sign * significand * 2 ** (Math.max(exponent, 1) - bias - mantissaBits);
}

/** The types of 16 bits, in which weights can be written. */
export const HALF_FLOATS = ['F16', 'BF16'] as const;
export type HalfFloat = (typeof HALF_FLOATS)[number];

/**
 * The bit patterns of the numbers of `type` that are nearest to `data`, of two the even one. What is larger than the
 * largest of them becomes an infinity.
 */
export function toHalfFloats(type: HalfFloat, data: Float32Array): Uint16Array {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const round = type === 'F16' ? halfOf : bfloatOf;
  const patterns = new Uint16Array(data.length);
  for (let i = 0; i < patterns.length; i++) patterns[i] = round(bits[i]!);
  return patterns;
}

/** The upper half of a float32, rounded. */
function bfloatOf(bits: number): number {
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function halfOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  // 2^-14, the smallest number with a leading one: below it the patterns count steps of 2^-24.
  if (size < 0x38800000) {
    const steps = 2 ** ((size >>> 23) - 150) * (size < 0x800000 ? 0 : (size & 0x7fffff) | 0x800000) * 2 ** 24;
    const below = Math.floor(steps);
    const rest = steps - below;
    return sign | (rest > 0.5 || (rest === 0.5 && (below & 1) === 1) ? below + 1 : below);
  }
  // The exponent has a bias of 15 in place of 127; a carry out of the mantissa raises it, at the end to infinity.
  const rounded = (size + 0xfff + ((size >>> 13) & 1) - 0x38000000) >>> 13;
  return sign | Math.min(rounded, 0x7c00);
}
