// Zip archives of stored entries, as a program that means harm would write them too.

export interface Harm {
  /** What the list says of every entry in place of the truth. */
  size?: number;
  method?: number;
  flags?: number;
  name?: string;
  /** The part of an archive of several in which every entry begins. */
  part?: number;
  /** Its attributes of MS-DOS. */
  attributes?: number;
  /** The number of entries that the end of the archive claims. */
  count?: number;
}

/** An archive of these entries. */
export function zipOf(entries: Readonly<Record<string, Buffer>>, harm: Harm = {}): Buffer {
  const locals: Buffer[] = [];
  const list: Buffer[] = [];
  let offset = 0;
  for (const [own, content] of Object.entries(entries)) {
    const name = Buffer.from(harm.name ?? own);
    const size = harm.size ?? content.length;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(harm.flags ?? 0, 8);
    entry.writeUInt16LE(harm.method ?? 0, 10);
    entry.writeUInt32LE(size, 20);
    entry.writeUInt32LE(size, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt16LE(harm.part ?? 0, 34);
    entry.writeUInt32LE(harm.attributes ?? 0, 38);
    entry.writeUInt32LE(offset, 42);
    locals.push(local, name, content);
    list.push(entry, name);
    offset += local.length + name.length + content.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  for (const field of [8, 10]) end.writeUInt16LE(harm.count ?? Object.keys(entries).length, field);
  end.writeUInt32LE(Buffer.concat(list).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...list, end]);
}
