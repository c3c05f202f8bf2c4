import test, { type ExecutionContext } from 'ava';
import { findInstall } from '../../src/tensorflow/locate.js';

/** Why tests that need libtensorflow do not run here; undefined where they do. */
export const withoutTensorflow: string | undefined = process.env.HAZE_SKIP_TENSORFLOW
  ? 'HAZE_SKIP_TENSORFLOW is set'
  : findInstall()
    ? undefined
    : 'haze setup tensorflow has not run';

/** A test that needs libtensorflow; where there is none it is skipped, and its title says why. */
export function tensorflowTest(
  title: string,
  body: (t: ExecutionContext) => void | Promise<void>,
): void {
  if (withoutTensorflow) test.skip(`${title} (not run: ${withoutTensorflow})`, body);
  else test.serial(title, body);
}
