/** Preloaded (`--import`), it makes a process in which onnxruntime-node is not installed. */
import { register } from 'node:module';

const hook = `export const resolve = (specifier, context, next) => {
  if (specifier !== 'onnxruntime-node') return next(specifier, context);
  throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
};`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
