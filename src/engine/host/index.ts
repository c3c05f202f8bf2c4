/**
 * The engine's environment. `#engine-host` is `node.ts`, or `browser.ts` under the condition `browser`, which bundlers set for
 * pages: see `imports` in package.json.
 */
export { host } from '#engine-host';
