/**
 * The additional files of a checkpoint with replicas (the usual ones hold the weights and averages after the last round, and the first
 * replica's moments): `outer`, the outer optimizer's momentum; `optimizer-2`, …, the others' moments; and, within a round,
 * `replica-1`, … and `replica-1-ema-DECAY`, …, the weights and averages of each. File names count replicas from 1.
 */
import type { Replicas, Trainer } from '../contracts/trainer.js';
import { UsageError } from '../errors.js';
import { checkpointPaths, type TensorPart } from '../io/checkpoint.js';
import { show } from '../io/json.js';
import { optimizerTensors, readOptimizer } from '../io/optimizer-file.js';
import { isFile, type Json } from '../io/run.js';
import { readSafetensors } from '../io/safetensors.js';
import { readWeights } from '../io/weights.js';
import { firstNotFinite, type StateDict } from '../network/state.js';

const OUTER = 'outer';
const optimizerName = (replica: number): string => `optimizer-${replica + 1}`;
const weightsName = (replica: number): string => `replica-${replica + 1}`;
const averageName = (replica: number, decay: number): string =>
  `${weightsName(replica)}-ema-${decay}`;

const numbersOf = ({ count }: Replicas): number[] => Array.from({ length: count }, (_, i) => i);

/**
 * The files of a trainer's replicas, by name.
 * @param decays of its averages
 * @param finite checks that weights can be saved
 */
export function replicaParts(
  { unet, replicas }: Trainer,
  decays: readonly number[],
  finite: (state: StateDict) => StateDict,
): Map<string, () => Promise<TensorPart>> {
  const parts = new Map<string, () => Promise<TensorPart>>();
  if (!replicas) return parts;
  if (replicas.hasMomentum)
    parts.set(OUTER, async () => ({ tensors: replicas.exportMomentum(), metadata: {} }));
  const metadata = { format: 'pt' };
  for (const replica of numbersOf(replicas)) {
    const ofReplica = (name: string, read: () => Promise<TensorPart>) =>
      parts.set(name, () => {
        replicas.show(replica);
        return read();
      });
    if (replica > 0)
      ofReplica(optimizerName(replica), async () => optimizerTensors(await unet.exportOptimizer()));
    if (!replicas.inRound) continue;
    ofReplica(weightsName(replica), async () => ({
      tensors: finite(await unet.exportState()),
      metadata,
    }));
    for (const [i, decay] of decays.entries())
      ofReplica(averageName(replica, decay), async () => ({
        tensors: await unet.exportAverage(i),
        metadata,
      }));
  }
  return parts;
}

/**
 * Loads a checkpoint's replicas; the usual files must already be in the trainer's network.
 * @param state its state.json
 * @throws UsageError for a missing or invalid file
 */
export async function loadReplicas(
  folder: string,
  step: number,
  state: Json,
  { unet, replicas }: Trainer,
  decays: readonly number[],
): Promise<void> {
  if (!replicas) return;
  const paths = checkpointPaths(folder);
  const { inRound } = state;
  if (typeof inRound !== 'boolean')
    throw new UsageError(
      `${paths.state}: inRound: expected true or false, for a run with rounds, got ${show(inRound)}`,
    );
  const file = async (name: string): Promise<string> => {
    const path = paths.other(name);
    if (await isFile(path)) return path;
    throw new UsageError(
      `${folder}: expected a checkpoint of replicas, got a folder without ${path}`,
    );
  };
  replicas.takeAll();
  if (replicas.hasMomentum) replicas.importMomentum(await readMomentum(await file(OUTER)));
  const first = await unet.exportOptimizer();
  for (const replica of numbersOf(replicas)) {
    if (inRound) {
      await unet.importState(await readWeights(await file(weightsName(replica))));
      for (const [i, decay] of decays.entries())
        await unet.importAverage(i, await readWeights(await file(averageName(replica, decay))));
    }
    const moments =
      replica === 0 ? first : await readOptimizer(await file(optimizerName(replica)), step);
    await unet.importOptimizer(moments);
    replicas.take(replica, inRound);
  }
}

async function readMomentum(path: string): Promise<StateDict> {
  const { tensors } = await readSafetensors(path);
  const fault = firstNotFinite(tensors);
  if (!fault) return tensors;
  throw new UsageError(`${path}: ${fault.name}: expected finite numbers, got ${fault.value}`);
}
