/**
 * A peer is a process that holds one U-Net and does as it is told: `predict` or `train` on a line of stdin, and
 * a line of JSON comes back with the milliseconds and the loss or a sum. So that peers can take turns, each
 * with its own libraries and environment.
 */
import { createInterface } from 'node:readline';
import { readSafetensors } from '../../src/io/safetensors.js';
import { architectureFromShapes } from '../../src/unet/from-state.js';
import type { StateDict, Tensor } from '../../src/unet/state.js';

/** What a peer answers to one command. */
export interface Answer {
  readonly ms: number;
  /** Processor time of all threads: it says more than `ms` where the machine is busy with other things. */
  readonly cpu: number;
  /** Mean of ε̂ for `predict`, the loss for `train`: it shows that peers compute the same. */
  readonly value: number;
}

export interface Peer {
  predict(): Promise<number>;
  train(): Promise<number>;
}

/** The weights and the batch that all peers compute on; images are f32 [batch, size, size, channels]. */
export async function readTask(file: string) {
  const { tensors } = await readSafetensors(file);
  const f32 = (name: string) => tensors.get(name)!.data as Float32Array;
  const prefix = 'state/';
  const state: StateDict = new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]): [string, Tensor] => [name.slice(prefix.length), tensor]),
  );
  const architecture = architectureFromShapes(new Map([...state].map(([k, v]) => [k, v.shape])));
  const [batch, size] = tensors.get('xt')!.shape as [number, number];
  const t = Int32Array.from(tensors.get('t')!.data, Number);
  return { architecture, state, batch, size, xt: f32('xt'), noise: f32('noise'), t };
}

/** Serves until stdin ends. */
export async function serve(peer: Peer): Promise<void> {
  const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const [begun, before] = [performance.now(), process.cpuUsage()];
    const value = line === 'train' ? await peer.train() : await peer.predict();
    const { user, system } = process.cpuUsage(before);
    const answer: Answer = { ms: performance.now() - begun, cpu: (user + system) / 1000, value };
    say(answer);
  }
  process.exit(0);
}
