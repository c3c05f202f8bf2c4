/**
 * The errors that Haze throws deliberately. The command line prints only their message and exits with their
 * code; anything else is a bug or an operating system error, and `--verbose` shows its stack.
 */

/** The user's input is invalid (flags, configuration, files). What was there before is unchanged. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly exitCode = 2;
}

/** Something failed while running: a full disk, a lost worker, a loss that is not finite. */
export class RunError extends Error {
  override readonly name: string = 'RunError';
  readonly exitCode: number = 1;
}

/** A training step could not be taken because of other machines: the trainer is as it was after the step before. */
export class StepNotTaken extends RunError {}

/** An image that could be read when the run began no longer can. */
export class ImageLost extends RunError {}

/** A worker or the WebAssembly module failed; the message names worker and kernel, `cause` has the reason. */
export class EngineError extends RunError {
  override readonly name = 'EngineError';
}

/** A requested check failed: parity, or `--require`. */
export class CheckError extends Error {
  override readonly name = 'CheckError';
  readonly exitCode = 3;
}

/** The user interrupted. What was finished by then is kept; the message says what. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly exitCode = 130;
}

/** Arrays or images whose sizes do not match. Message: `where: what has n, other has m`. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
  readonly exitCode = 2;
}
