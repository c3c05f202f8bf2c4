import { ShapeError } from '../errors.js';
import { type Graph, inputValues, outputValues } from './graph.js';
import type { Times } from './sinusoid.js';

/** The shape of one batch of a network. */
interface Batch {
  readonly xt: { readonly length: number };
  readonly t: Times;
  readonly labels?: Int32Array | undefined;
}

/**
 * Checks the inputs of a pass.
 * @throws ShapeError naming an input of another length, or the first timestep or label that is out of range.
 */
export function checkInput(
  graph: Graph,
  { batch, timesteps }: { readonly batch: number; readonly timesteps: number },
  { xt, t, labels }: Batch,
  noise?: { readonly length: number },
): void {
  checkLength('x_t', xt, batch * inputValues(graph));
  checkLength('t', t, batch);
  checkTimes(t, timesteps);
  checkLabels(graph, batch, labels);
  if (noise) checkLength('noise', noise, batch * outputValues(graph));
}

function checkTimes(t: Times, timesteps: number): void {
  const whole = t instanceof Int32Array;
  const wrong = t.findIndex((step: number) =>
    whole ? step < 0 || step >= timesteps : !Number.isFinite(step),
  );
  if (wrong < 0) return;
  const expected = whole ? 'a timestep of the schedule' : 'a finite number';
  throw new ShapeError(`U-Net: t[${wrong}] is ${t[wrong]}, not ${expected}`);
}

function checkLabels(graph: Graph, batch: number, labels: Int32Array | undefined): void {
  if (!graph.labelled) {
    if (labels)
      throw new ShapeError('U-Net: labels: expected none, since this network does not read any');
    return;
  }
  if (!labels) throw new ShapeError('U-Net: labels: expected one per image, got none');
  checkLength('labels', labels, batch);
  const limit = labelLimit(graph);
  const wrong = labels.findIndex((label) => !(label >= 0 && label < limit));
  if (wrong < 0) return;
  const expected = limit === Infinity ? 'of 0 or more' : `from 0 to ${limit - 1}`;
  throw new ShapeError(
    `U-Net: labels[${wrong}] is ${labels[wrong]}, expected a whole number ${expected}`,
  );
}

/** Exclusive upper bound of the labels: the smallest number of classes of an embedding. */
function labelLimit({ nodes }: Graph): number {
  const classes = nodes.flatMap((node) => (node.op === 'embedding' ? [node.layer.classes] : []));
  return Math.min(Infinity, ...classes);
}

function checkLength(what: string, { length }: { readonly length: number }, expected: number) {
  if (length !== expected)
    throw new ShapeError(`U-Net: ${what} has ${length} elements, expected ${expected}`);
}
