/** Opens a model on a website: its description and its weights, in memory. */
import { parseSite, type Site, type SiteAutoencoder } from '../config/site.js';
import { UsageError } from '../errors.js';
import { bytesInMemory } from '../io/byte-source.js';
import { openTensors } from '../io/safetensors-reader.js';
import { buildDecoder } from '../network/autoencoder.js';
import { stateShapes } from '../network/parameters.js';
import { firstNotFinite, type StateDict, type Tensor } from '../network/state.js';
import { download, downloadAll, type OnBytes } from './download.js';
import type { ModelBytes } from './protocol.js';

export interface OpenSite {
  readonly site: Site;
  readonly weights: StateDict;
  readonly guide: StateDict | null;
  /** Of the autoencoder, if the model draws latents. */
  readonly decoder: StateDict | null;
}

/** The name of a site's description. */
const DESCRIPTION = 'model.json';

/**
 * Opens the folder at an address, or its given contents.
 * @throws UsageError if it is not a model; RunError if a file cannot be fetched
 */
export async function openSite(from: string | ModelBytes, onBytes: OnBytes): Promise<OpenSite> {
  if (typeof from !== 'string') {
    const { model, ...bytes } = from;
    return opened(parseSite('model', model), bytes);
  }
  const url = new URL(DESCRIPTION, from);
  const site = parseSite(DESCRIPTION, parseJson(await download(url)));
  const files = [site.weights, site.guide?.weights, site.autoencoder?.weights];
  const urls = files.map((name) => (name === undefined ? null : new URL(name, from)));
  const [weights, guide, decoder] = await downloadAll(urls, onBytes);
  return opened(site, { weights: weights!, guide, decoder });
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new UsageError(`${DESCRIPTION}: expected JSON, got text that is not: ${String(error)}`);
  }
}

async function opened(
  site: Site,
  { weights, guide, decoder }: Omit<ModelBytes, 'model'>,
): Promise<OpenSite> {
  const part = (field: 'guide' | 'autoencoder', bytes: Uint8Array | undefined) => {
    const name = site[field]?.weights;
    if (name === undefined) return null;
    if (bytes) return readState(name, bytes);
    throw new UsageError(`model.${field}: expected the bytes of ${name}, got none`);
  };
  const state = await part('autoencoder', decoder);
  if (state) requireDecoder(site.autoencoder!, state);
  return {
    site,
    weights: await readState(site.weights, weights),
    guide: await part('guide', guide),
    decoder: state,
  };
}

/** A decoder is needed only once all is drawn. @throws UsageError for tensors of another one */
function requireDecoder({ config, weights }: SiteAutoencoder, state: StateDict): void {
  // They are the same for latents of any size.
  for (const [name, shape] of stateShapes(buildDecoder(config, 1))) {
    const got = state.get(name)?.shape.join(', ');
    if (got !== shape.join(', '))
      throw new UsageError(
        `${weights}: ${name}: expected the shape [${shape.join(', ')}], got ${got === undefined ? 'none' : `[${got}]`}`,
      );
  }
}

async function readState(name: string, bytes: Uint8Array): Promise<StateDict> {
  const file = await openTensors(bytesInMemory(name, bytes));
  const state = new Map<string, Tensor>();
  for (const tensor of file.entries.keys()) state.set(tensor, await file.read(tensor));
  const fault = firstNotFinite(state);
  if (fault)
    throw new UsageError(`${name}: ${fault.name}: expected finite numbers, got ${fault.value}`);
  return state;
}
