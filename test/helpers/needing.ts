import test, { type ExecutionContext } from 'ava';

type Body = (t: ExecutionContext) => void | Promise<void>;
type Declare = (title: string, body: Body) => void;

/**
 * Declares a test that needs something of the machine: where that is missing it is skipped, and its title says why.
 * @param missing why it does not run here; undefined where it does
 */
export const needing =
  (missing: string | undefined, declare: Declare = test): Declare =>
  (title, body) =>
    missing === undefined
      ? declare(title, body)
      : test.skip(`${title} (not run: ${missing})`, body);
