/**
 * Where the engine runs. `#engine-host` is `node.ts`, and `browser.ts` where the condition `browser` holds, as bundlers set it for
 * pages: package.json has both under `imports`.
 */
export { host } from '#engine-host';
