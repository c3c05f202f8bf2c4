import type { Args } from '../config/args.js';
import { newRunConfig } from '../config/run-config.js';
export async function run(args: Args): Promise<void> {
  console.log(JSON.stringify(newRunConfig('x', args)));
}
