import { join } from 'node:path';
import { parseNote } from '../io/notes.js';
import { FollowedFile } from './followed-file.js';
import type { Remark } from './messages.js';

/** Lines that are kept, the newest, and characters of each. */
const MOST = 200;
const LONGEST = 2000;

/** What a run said, of its notes.jsonl. */
export class Remarks {
  private kept: Remark[] = [];
  private readonly file: FollowedFile;

  constructor(root: string, folder: string) {
    this.file = new FollowedFile(
      root,
      join(folder, 'notes.jsonl'),
      (line) => this.take(line),
      () => {
        this.kept = [];
      },
    );
  }

  /** Reads what is new. A run need not have said anything. */
  async follow(): Promise<readonly Remark[]> {
    await this.file.follow().catch(() => undefined);
    return this.kept;
  }

  private take(line: string): void {
    const note = parseNote(line);
    if (!note) return;
    this.kept.push({ kind: note.kind, text: note.text.slice(0, LONGEST) });
    if (this.kept.length > MOST) this.kept.shift();
  }
}
