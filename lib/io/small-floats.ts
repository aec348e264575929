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
