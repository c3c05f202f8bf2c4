/** Graphs that read no timesteps, such as an autoencoder's halves. Browsers open them by the same code as Node, so nothing here needs Node. */
import type { NetworkOptions } from '../contracts/device.js';
import type { Demand } from '../engine/arena.js';
import type { KernelChoice } from '../engine/module.js';
import { planBytes } from '../engine/network/plan.js';
import { WasmNetwork } from '../engine/network/wasm-network.js';
import type { Graph } from '../network/graph.js';

export interface GraphUse
  extends Omit<NetworkOptions, 'architecture' | 'size' | 'timesteps'>,
    Pick<Demand, 'reserve'> {}

/** Workers of the wasm engine, and their kernels. */
export interface EngineUse extends KernelChoice {
  readonly threads: number;
}

/** Devices ask for timesteps, which then are 0. */
export const UNTIMED = { timesteps: 1 } as const;

/** The timesteps of a batch for a graph that reads none. */
export const noTimes = (batch: number): Int32Array => new Int32Array(batch);

/** The graph on the wasm engine. @throws UsageError if it does not fit */
export const openOnEngine = (graph: Graph, use: GraphUse, engine: EngineUse): WasmNetwork =>
  WasmNetwork.create({ graph, ...use, ...UNTIMED, ...engine }).network;

/** Bytes of memory that `openOnEngine` takes; it only computes addresses. */
export const bytesOnEngine = (graph: Graph, use: GraphUse, engine: EngineUse): number =>
  planBytes({ graph, ...use, ...UNTIMED, ...engine }).total;
