/** A replica as files in a queue: weights, averages and moments. */
import type { Redis } from 'ioredis';
import type { ModelConfig } from '../config/config.js';
import type { NetworkDevice } from '../contracts/device.js';
import { optimizerTensors, readOptimizer } from '../io/optimizer-file.js';
import { checkNetworkOf, readWeights } from '../io/weights.js';
import type { Blob } from '../queue/blob.js';
import type { BlobCache } from '../queue/blob-cache.js';
import type { ReplicaBlobs } from '../queue/train-job.js';

/** All files of a replica. */
export const blobsOf = ({ weights, averages, optimizer }: ReplicaBlobs): Blob[] => [
  weights,
  ...averages,
  optimizer,
];

/** Writes a network's weights and averages to the cache. */
export async function storeWeights(
  cache: BlobCache,
  unet: NetworkDevice,
  averages: number,
): Promise<Omit<ReplicaBlobs, 'optimizer'>> {
  const weights = await cache.add(await unet.exportState());
  const each: Blob[] = [];
  for (let i = 0; i < averages; i++) each.push(await cache.add(await unet.exportAverage(i)));
  return { weights, averages: each };
}

/** Writes its moments to the cache. */
export async function storeMoments(cache: BlobCache, unet: NetworkDevice): Promise<Blob> {
  const { tensors, metadata } = optimizerTensors(await unet.exportOptimizer());
  return cache.add(tensors, metadata);
}

/** Fetches a replica's files into the cache. @throws RunError for one that is missing or damaged in Redis */
export async function fetchReplica(
  cache: BlobCache,
  redis: Redis,
  replica: ReplicaBlobs,
): Promise<void> {
  for (const blob of blobsOf(replica)) await cache.file(redis, blob);
}

/**
 * Loads a replica into a network, from its files in the cache, or in Redis if they are missing or damaged.
 * @param taken steps it has taken
 * @throws UsageError for files of another network, or of another step; like `fetchReplica`
 */
export async function loadReplica(
  cache: BlobCache,
  redis: Redis,
  unet: NetworkDevice,
  { weights, averages, optimizer }: ReplicaBlobs,
  model: ModelConfig,
  taken: number,
): Promise<void> {
  const read = (blob: Blob) =>
    cache.read(redis, blob, async (path) => {
      await checkNetworkOf(path, model, 'the job');
      return readWeights(path);
    });
  await unet.importState(await read(weights));
  for (const [i, average] of averages.entries()) await unet.importAverage(i, await read(average));
  const state = await cache.read(redis, optimizer, (path) => readOptimizer(path, taken));
  await unet.importOptimizer(state);
}
