/** What the kernels that compute little move between the processor and memory. */
import { BLOCK } from '../../../assembly/constants.js';
import { applyItems, momentItems } from '../group-norm.js';
import type { Call, KernelName, PlainArguments } from '../program.js';
import { paddedChannels } from '../tensors.js';

/** Bytes of an f32. */
const F = 4;

/** Bytes of a pixel inside the network whose image has few channels. */
const padded = (channels: number): number => F * paddedChannels([channels]);

/** Elements of tensors whose items are blocks of each image's pixels. */
const elements = (items: number, pixels: number, channels: number): number =>
  (items / Math.ceil(pixels / BLOCK)) * pixels * channels;

type Traffic = {
  readonly [K in KernelName]?: (args: PlainArguments<K>, items: number) => number;
};

/**
 * Bytes of the tensors that a call reads and writes. A tensor that is replaced in place counts twice. Sums of blocks and the
 * parameters of norms are not counted: they are small.
 */
const TRAFFIC: Traffic = {
  batchNormMoments: ([, , rows, channels]) => F * rows * channels,
  batchNormBackwardSums: ([, , , , pixels, channels], items) =>
    2 * F * elements(items, pixels, channels),
  batchNormBackwardApply: ([, , , , pixels, channels], items) =>
    3 * F * elements(items, pixels, channels),
  groupNormMoments: ([, , , pixels, channels], items) =>
    (F * items * pixels * channels) / momentItems(pixels, channels),
  groupNormApply: ([, , , , , pixels, channels], items) =>
    (2 * F * items * pixels * channels) / applyItems(pixels),
  groupNormBackwardSums: ([, , , , , , , pixels, channels, activation], items) =>
    (activation === 0 ? 2 : 3) * F * elements(items, pixels, channels),
  groupNormBackwardApply: ([, , , , , , , , pixels, channels, accumulate], items) =>
    (accumulate ? 4 : 3) * F * elements(items, pixels, channels),
  adaNorm: ([, , , , , , , , , channels], rows) => 2 * F * rows * channels,
  adaNormBackward: ([, , , , , , , , , , pixels, channels, , accumulate], items) =>
    (accumulate ? 4 : 3) * F * elements(items, pixels, channels),
  gate: ([, , , , , , , , , channels], rows) => 3 * F * rows * channels,
  gateBackward: ([, , , , , , , , , pixels, channels, accumulate], items) =>
    (accumulate ? 4 : 3) * F * elements(items, pixels, channels),
  addPositions: ([, , , , , , channels], rows) => 2 * F * rows * channels,
  addVector: ([, , , , , , pixels, channels], items) => 2 * F * elements(items, pixels, channels),
  dropout: ([, , , , , pixels, channels], items) => 2 * F * elements(items, pixels, channels),
  scaleShiftConstant: ([, , , , channels, , , , accumulate], items) =>
    (accumulate ? 3 : 2) * F * items * channels,
  copyChannels: ([, , , , channels, add], items) => (add ? 3 : 2) * F * items * channels,
  padChannels: ([, , channels], items) => items * (padded(channels) + F * channels),
  dropChannels: ([, , channels], items) => items * (padded(channels) + F * channels),
  relu: (_, quads) => 2 * F * 4 * quads,
  reluBackward: (_, quads) => 3 * F * 4 * quads,
  silu: (_, quads) => 2 * F * 4 * quads,
  siluBackward: (_, quads) => 3 * F * 4 * quads,
  gelu: (_, eights) => 2 * F * 8 * eights,
  geluBackward: (_, eights) => 3 * F * 8 * eights,
  noiseLoss: ([, , , , pixels, channels]) => pixels * (2 * padded(channels) + F * channels),
  imageLosses: ([, , , , pixels, channels], images) =>
    images * pixels * (padded(channels) + F * channels),
  weighGradient: ([, , each], images) => 2 * F * images * each,
  adam: (_, eights) => 7 * F * 8 * eights,
  adamW: (_, eights) => 7 * F * 8 * eights,
  ema: (_, eights) => 3 * F * 8 * eights,
  gradientNorm: ([, , count]) => F * count,
  addGradient: ([, , , more], quads) => (more === 0 ? 2 : 3) * F * 4 * quads,
};

/** Bytes that a call moves; 0 for kernels whose time is in products, and for small ones. */
export function trafficOf({ kernel, args, items }: Call): number {
  const bytes = TRAFFIC[kernel] as ((args: Call['args'], items: number) => number) | undefined;
  return bytes?.(args, items) ?? 0;
}
