import { fileURLToPath } from 'node:url';

/** Where pictures for the documents go: docs/images, or the folder that `HAZE_IMAGES` names. */
export const IMAGES =
  process.env.HAZE_IMAGES ?? fileURLToPath(new URL('../../../docs/images', import.meta.url));
