// The zip archives of torch.save: a folder with a pickle, `data.pkl`, the bytes of every storage under `data/`, and
// small files that say how these are written. PyTorch looks at all of them before it reads a tensor, and so does this.
import { isUtf8 } from 'node:buffer';
import { describeValue } from '../../check';
import type { InputFile } from '../../io/binary/input-file';
import { dataOffset, readZip, type ZipEntry } from '../../io/binary/zip';

/** Versions of the format that PyTorch 2.13 reads (caffe2/serialize/inline_container.h). */
const VERSIONS = { least: 1, most: 10 };
/** The small files have some forty bytes. */
const MAX_TEXT = 1024;

export const advice = '; save the tensors alone, by torch.save(model.state_dict(), path) in Python';

/** An archive whose entries lie where its list says. */
export class TorchArchive {
  private constructor(
    private readonly file: InputFile,
    private readonly entries: ReadonlyMap<string, ZipEntry>,
    private readonly folder: string,
  ) {}

  /** Errors: ERR_FORMAT for another zip archive, and for entries that are not where the list says; ERR_IO. */
  static async open(file: InputFile): Promise<TorchArchive> {
    const entries = await readZip(file);
    const unnamed = [...entries.values()].find(({ name }) => name.includes('\ufffd'));
    if (unnamed !== undefined) throw file.damaged(unnamed.header, 'names in UTF-8', describeValue(unnamed.name));
    const pickle = [...entries.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
    if (pickle === undefined)
      throw file.damaged(0, "an archive of torch.save, with an entry 'data.pkl',", 'another zip archive');
    const folder = pickle.slice(0, -'data.pkl'.length);
    const archive = new TorchArchive(file, entries, folder);
    if (archive.entry('constants.pkl') !== undefined)
      throw file.damaged(0, 'a state dict', `a program of TorchScript${advice}`);
    for (const entry of entries.values()) {
      if (!entry.name.startsWith(folder)) throw file.damaged(entry.header, `entries in '${folder}'`, `'${entry.name}'`);
      await dataOffset(file, entry);
    }
    await archive.#checkTexts();
    return archive;
  }

  /** The entry of this name within the folder. */
  entry(name: string): ZipEntry | undefined {
    return this.entries.get(this.folder + name);
  }

  /** How the file is written. Errors: ERR_FORMAT for a version or an order of bytes that are not read. */
  async #checkTexts(): Promise<void> {
    const order = await this.#text('byteorder');
    if (order !== undefined && order.trim() !== 'little')
      throw this.#fault('byteorder', "the byte order 'little'", order);
    const { least, most } = VERSIONS;
    const version = (await this.#text('.data/version')) ?? (await this.#text('version'));
    const number = /^\d+/.exec(version?.trim() ?? '')?.[0];
    if (!(Number(number) >= least && Number(number) <= most))
      throw this.#fault('version', `a version from ${least} to ${most}`, version);
    await this.#text('.data/serialization_id');
  }

  async #text(name: string): Promise<string | undefined> {
    const entry = this.entry(name);
    if (entry === undefined) return undefined;
    const { file } = this;
    const bytes = await file.read(await dataOffset(file, entry), Math.min(MAX_TEXT, entry.size));
    if (!isUtf8(bytes)) throw this.#fault(name, `'${name}' in UTF-8`, 'other bytes');
    return Buffer.from(bytes.buffer).toString('utf8');
  }

  #fault(name: string, what: string, received: string | undefined): Error {
    return this.file.damaged(
      this.entry(name)?.header ?? 0,
      what,
      received === undefined ? 'none' : describeValue(received),
    );
  }
}
