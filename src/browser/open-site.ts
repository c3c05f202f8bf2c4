/** Opens a model on a website: its description and its weights, in memory. */
import { parseSite, type Site } from '../config/site.js';
import { UsageError } from '../errors.js';
import { bytesInMemory } from '../io/byte-source.js';
import { openTensors } from '../io/safetensors-reader.js';
import { firstNotFinite, type StateDict, type Tensor } from '../network/state.js';
import { download, type OnBytes } from './download.js';
import type { ModelBytes } from './protocol.js';

export interface OpenSite {
  readonly site: Site;
  readonly weights: StateDict;
  readonly guide: StateDict | null;
}

/** The name of a site's description. */
const DESCRIPTION = 'model.json';

/**
 * Opens the folder at an address, or its given contents.
 * @throws UsageError if it is not a model; RunError if a file cannot be fetched
 */
export async function openSite(from: string | ModelBytes, onBytes: OnBytes): Promise<OpenSite> {
  if (typeof from !== 'string')
    return opened(parseSite('model', from.model), from.weights, from.guide);
  const url = new URL(DESCRIPTION, from);
  const site = parseSite(DESCRIPTION, parseJson(await download(url)));
  const weights = await download(new URL(site.weights, from), onBytes);
  const guide = site.guide ? await download(new URL(site.guide.weights, from), onBytes) : undefined;
  return opened(site, weights, guide);
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
  weights: Uint8Array,
  guide: Uint8Array | undefined,
): Promise<OpenSite> {
  if (site.guide && !guide)
    throw new UsageError(`model.guide: expected the bytes of ${site.guide.weights}, got none`);
  return {
    site,
    weights: await readState(site.weights, weights),
    guide: site.guide && guide ? await readState(site.guide.weights, guide) : null,
  };
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
