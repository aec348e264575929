// Cyclic redundancy checks of 32 bits: of PNG and zip files (CRC-32), and of the records of TensorFlow (CRC-32C).
import zlib from 'node:zlib';

/** The check with a polynomial, given with its lowest power in the highest bit. */
function crcWith(polynomial: number): (bytes: Uint8Array) => number {
  const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? polynomial ^ (value >>> 1) : value >>> 1;
    return value;
  });
  return (bytes) => {
    let crc = 0xffffffff;
    for (const byte of bytes) crc = table[(crc ^ byte) & 255]! ^ (crc >>> 8);
    return ~crc >>> 0;
  };
}

/** That of Node.js, which has it from 20.15 on, takes a twentieth of the time. */
export const crc32 = (zlib as { crc32?: (bytes: Uint8Array) => number }).crc32 ?? crcWith(0xedb88320);
export const crc32c = crcWith(0x82f63b78);
