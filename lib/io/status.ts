// What is at a path. What cannot be seen counts as absent: opening it gives the reason.
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';

async function statusOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined);
}

export async function exists(path: string): Promise<boolean> {
  return (await statusOf(path)) !== undefined;
}

export async function isFile(path: string): Promise<boolean> {
  return (await statusOf(path))?.isFile() ?? false;
}

export async function isFolder(path: string): Promise<boolean> {
  return (await statusOf(path))?.isDirectory() ?? false;
}
