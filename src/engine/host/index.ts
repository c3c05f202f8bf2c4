import type { Host } from './host.js';
import { node } from './node.js';

/** Where the engine runs: the one line that another host would change. */
export const host: Host = node;
