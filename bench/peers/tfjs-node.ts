/** tfjs-node's U-Net, written plainly: `npm run bench:peer -- tfjs-node forward`. */
import { loadAsShipped } from './as-shipped.js';
import { serve } from './peer.js';
import { tfjsUnet } from './tfjs-unet.js';

const { tf, version } = await loadAsShipped();
await serve(version, await tfjsUnet(tf));
