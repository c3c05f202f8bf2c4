/** Settings of a unet2d that have no effect because of others: nobody means them. */
import { UsageError } from '../errors.js';
import type { Unet2dConfig } from '../network/unet2d-config.js';
import type { ModelConfig } from './config.js';
import type { Source } from './source.js';

/** Whether a field has no effect in a network, and the reason. */
type Idle = readonly [field: keyof Unet2dConfig, is: (c: Unet2dConfig) => boolean, why: string];

const IDLE: readonly Idle[] = [
  ['midScale', (c) => !c.mid, 'belongs to the middle, which --no-mid omits'],
  ['midAttention', (c) => !c.mid && c.midAttention, 'belongs to the middle, which --no-mid omits'],
  ['attentionGroups', (c) => !c.mid, 'belongs to the middle, which --no-mid omits'],
  [
    'attentionGroups',
    (c) => !c.midAttention,
    "belongs to the middle's attention, which --no-mid-attention omits",
  ],
  ['headDim', (c) => !attends(c), 'belongs to attention, which the network does not have'],
  [
    'downType',
    (c) => !halving(c).includes(true),
    'belongs to levels with attention that halve the image (see --attention); there are none',
  ],
  [
    'upType',
    (c) => !doubling(c).includes(true),
    'belongs to levels with attention that double the image (see --attention); there are none',
  ],
  [
    'downPadding',
    (c) => halving(c).every((attends) => attends && c.downType === 'resnet'),
    'belongs to strided convolutions; there are none',
  ],
];

const attends = (c: Unet2dConfig): boolean =>
  (c.mid && c.midAttention) || c.downAttention.includes(true) || c.upAttention.includes(true);

/** Whether the levels that change the resolution attend; the last one does not change it. */
const halving = ({ downAttention }: Unet2dConfig): readonly boolean[] => downAttention.slice(0, -1);
const doubling = ({ upAttention }: Unet2dConfig): readonly boolean[] => upAttention.slice(0, -1);

/** @throws UsageError naming a given setting that has no effect in the network */
export function refuseIdleFields(source: Source, model: ModelConfig): void {
  if (model.kind !== 'unet2d') return;
  for (const [field, is, why] of IDLE)
    if (source.has(field) && is(model)) throw new UsageError(`${source.where(field)}: ${why}`);
}
