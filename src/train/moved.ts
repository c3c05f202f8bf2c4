import { UsageError } from '../errors.js';

/**
 * What a resume says of images that are not where they were; any other error is unchanged.
 * @param whose what is trained on them: `the run in runs/1`
 */
export function moved(source: string, whose: string, error: unknown): unknown {
  const gone = error instanceof UsageError && error.message.startsWith(`${source}: no such`);
  if (!gone) return error;
  return new UsageError(
    `${source}: no such folder or file, and ${whose} trains on it; if it was moved, give its new path`,
  );
}
