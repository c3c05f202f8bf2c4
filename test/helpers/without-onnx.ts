/** Preloaded (`--import`), it makes a process in which onnxruntime-node is not installed. */
import * as nodeModule from 'node:module';

/** Node 22.15 and 23.5 on have it, and newer ones warn of `register`. */
const { registerHooks } = nodeModule as { registerHooks?: (hooks: { resolve: Resolve }) => void };
type Resolve = (specifier: string, context: object, next: Next) => unknown;
type Next = (specifier: string, context: object) => unknown;

const resolve: Resolve = (specifier, context, next) => {
  if (specifier !== 'onnxruntime-node') return next(specifier, context);
  throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
};

if (registerHooks) registerHooks({ resolve });
else
  nodeModule.register(
    `data:text/javascript,${encodeURIComponent(`export const resolve = ${resolve};`)}`,
  );
