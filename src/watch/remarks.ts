import { join } from 'node:path';
import { parseNote } from '../io/notes.js';
import { FollowedFile } from './followed-file.js';
import type { Remark } from './messages.js';

/** Lines that are kept, the newest, and characters of each. */
const MOST = 200;
const LONGEST = 2000;

/** What a run said, of its notes.jsonl. */
export class Remarks {
  /** As far as it was read. */
  readonly kept: Remark[] = [];
  private readonly file: FollowedFile;

  constructor(root: string, folder: string) {
    this.file = new FollowedFile(
      root,
      join(folder, 'notes.jsonl'),
      (line) => this.take(line),
      () => {
        this.kept.length = 0;
      },
    );
  }

  /** Reads what is new. @throws as `FollowedFile.follow` does */
  async follow(): Promise<void> {
    await this.file.follow();
  }

  private take(line: string): void {
    const note = parseNote(line);
    if (!note) return;
    this.kept.push({ kind: note.kind, text: note.text.slice(0, LONGEST) });
    if (this.kept.length > MOST) this.kept.shift();
  }
}
