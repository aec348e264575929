// The numbers of the format that reading and writing share.

/** The first bytes of a file, as characters of Latin 1. */
export const SIGNATURE = '\x89HDF\r\n\x1a\n';
/** The address that stands for none. */
export const UNDEFINED = 0xffffffffffffffffn;

/** Message types of object headers. */
export const MESSAGE = {
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  oldFill: 0x04,
  fill: 0x05,
  link: 0x06,
  layout: 0x08,
  groupInfo: 0x0a,
  filters: 0x0b,
  continuation: 0x10,
  symbolTable: 0x11,
} as const;
