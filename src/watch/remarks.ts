import { join } from 'node:path';
import { type NoteFacts, parseNote } from '../io/notes.js';
import { FollowedFile } from './followed-file.js';
import type { Remark } from './messages.js';

/** Number of lines kept, the newest ones, and of characters per line. */
const MOST = 200;
const LONGEST = 2000;

/** The remarks in a run's notes.jsonl. */
export class Remarks {
  /** Those read so far. */
  readonly kept: Remark[] = [];
  /** The newest of each. */
  facts: NoteFacts = {};
  private readonly file: FollowedFile;

  constructor(root: string, folder: string) {
    this.file = new FollowedFile(
      root,
      join(folder, 'notes.jsonl'),
      (line) => this.take(line),
      () => {
        this.kept.length = 0;
        this.facts = {};
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
    this.facts = { ...this.facts, ...note.facts };
    this.kept.push({ kind: note.kind, text: note.text.slice(0, LONGEST) });
    if (this.kept.length > MOST) this.kept.shift();
  }
}
