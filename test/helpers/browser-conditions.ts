/** Arguments of Node under which the engine has its host for browsers, and the kernels that this process has. */
export const BROWSER_CONDITIONS: readonly string[] = [
  '--conditions=browser',
  ...(Number.parseInt(process.versions.node, 10) < 22 ? ['--experimental-wasm-relaxed-simd'] : []),
];
