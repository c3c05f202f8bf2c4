/**
 * The device's computations, as routines over shared variables: prediction with either statistics, the
 * gradients, the whole training step, and importing and exporting state.
 */
import type { Loss, Optimizer } from '../contracts/device.js';
import { adamStep } from './adam.js';
import { averageStep, exchangeAverage } from './averages.js';
import type { Block } from './blocks.js';
import { add, multiply } from './calls.js';
import { FLOAT, INT32, type Ops, one, type Routine, scalar, vector } from './ops.js';
import { type Network, predict, prepare, type TrainingPass, trainingPass } from './passes.js';
import { RATE, Store, SUM, type Variable } from './variables.js';

export type RoutineName =
  | 'predict-running'
  | 'predict-batch'
  | 'prepare'
  | 'gradients'
  | 'train'
  | 'train-first'
  | 'train-next'
  | 'set-rate'
  | 'reset'
  | 'import-state'
  | 'export-state'
  | 'average'
  | `${'import' | 'export' | 'exchange'}-average-${number}`
  | 'import-optimizer'
  | 'export-optimizer';

type Routines = Partial<Record<RoutineName, Routine>>;

export interface RoutineOptions {
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Batches of a step. */
  readonly accumulate: number;
  /** Decays of the averages. */
  readonly ema: readonly number[];
  /** Whether training is possible; without it, it costs no memory. */
  readonly training: boolean;
}

/** The routines of a network; `→` marks their results. */
export function networkRoutines(network: Network, options: RoutineOptions): Routines {
  const { parameters, statistics, optimizer, averages } = network.variables;
  const state = [...parameters, ...statistics];
  const routines: Routines = {
    ...predictions(network),
    reset: resetting(
      network,
      options.training ? [...state, ...optimizer, ...averages.flat(), RATE] : state,
    ),
    'import-state': importing(network, state),
    'export-state': exporting(network, state),
  };
  if (!options.training) return routines;
  return {
    ...routines,
    ...trainings(network, options),
    ...averagings(network, options.ema),
    'set-rate': importing(network, [RATE]),
    'import-optimizer': importing(network, optimizer),
    'export-optimizer': exporting(network, optimizer),
  };
}

function predictions(network: Network): Routines {
  const { variables, feeds } = network;
  const inputs = feeds.prediction;
  return {
    // → ε̂
    'predict-running': {
      inputs,
      body: (ops, fed) => [predict(network, new Store(ops, variables), 'running', fed)],
    },
    // → ε̂
    'predict-batch': {
      inputs,
      body: (ops, fed) => [predict(network, new Store(ops, variables), 'batch', fed)],
    },
    // Once after the weights have changed, before they predict. → nothing
    prepare: {
      inputs: [],
      body: (ops) => {
        prepare(network, new Store(ops, variables));
        return [];
      },
    },
  };
}

function trainings(network: Network, options: RoutineOptions): Routines {
  const { loss, optimizer, accumulate } = options;
  const { parameters } = network.variables;
  const inputs = network.feeds.training;
  return {
    // → loss, ε̂, then the gradient of each parameter
    gradients: {
      inputs,
      body: (ops, fed) => {
        const store = new Store(ops, network.variables);
        const pass = trainingPass(network, store, loss, fed);
        const gradients = parameters.map((p) => store.handOut(p, pass.gradient(p.name)));
        return [pass.loss, pass.epsilon, ...gradients];
      },
    },
    ...(accumulate > 1 && partRoutines(network, options)),
    // The last batch of a step, or its only one. → loss, each image's
    train: {
      inputs,
      body: (ops, fed) => {
        const store = new Store(ops, network.variables);
        const pass = trainingPass(network, store, loss, fed);
        const own = gradients(store, pass);
        const gradient = accumulate > 1 ? summed(store, own, accumulate) : own;
        adamStep(store, optimizer, network.variables.blocks, gradient);
        return [pass.loss, pass.images];
      },
    },
  };
}

function averagings(network: Network, decays: readonly number[]): Routines {
  if (decays.length === 0) return {};
  const { parameters, statistics, averages } = network.variables;
  const state = [...parameters, ...statistics];
  const routine = (body: <V>(store: Store<V>) => void): Routine => ({
    inputs: [],
    body: (ops) => {
      body(new Store(ops, network.variables));
      return [];
    },
  });
  const all: Routines = { average: routine((store) => averageStep(store, state, decays)) };
  for (const [i, list] of averages.entries()) {
    all[`import-average-${i}`] = importing(network, list);
    all[`export-average-${i}`] = exporting(network, list);
    all[`exchange-average-${i}`] = routine((store) => exchangeAverage(store, state, i));
  }
  return all;
}

/** The first batch of a step, and those between it and the last: their gradients are added up. → loss, each image's */
function partRoutines(network: Network, { loss, accumulate }: RoutineOptions): Routines {
  const part = (first: boolean): Routine => ({
    inputs: network.feeds.training,
    body: (ops, fed) => {
      const store = new Store(ops, network.variables);
      const pass = trainingPass(network, store, loss, fed);
      const share = scalar(ops, 1 / accumulate);
      const gradient = gradients(store, pass);
      for (const block of network.variables.blocks) {
        const own = multiply(ops, gradient(block), share);
        const sum = SUM + block.name;
        store.assign(sum, first ? own : add(ops, store.read(sum), own));
      }
      return [pass.loss, pass.images];
    },
  });
  return { 'train-first': part(true), 'train-next': part(false) };
}

/** The gradient of each block. */
function gradients<V>(store: Store<V>, { gradient }: TrainingPass<V>): (block: Block) => V {
  return once((block) => store.pack(block, ({ name }) => gradient(name)));
}

/** Adds the last batch's gradients to those of the others in the step. */
function summed<V>(
  store: Store<V>,
  gradient: (block: Block) => V,
  accumulate: number,
): (block: Block) => V {
  const { ops } = store;
  const share = scalar(ops, 1 / accumulate);
  return once((block) =>
    add(ops, store.read(SUM + block.name), multiply(ops, gradient(block), share)),
  );
}

/** Computes each block's value when it is first needed, and keeps it. */
function once<V>(value: (block: Block) => V): (block: Block) => V {
  const known = new Map<Block, V>();
  return (block) => {
    const kept = known.get(block) ?? value(block);
    known.set(block, kept);
    return kept;
  };
}

/** A routine that assigns its inputs, in PyTorch's layouts. → nothing */
const importing = ({ variables }: Network, list: readonly Variable[]): Routine => ({
  inputs: list,
  body: <V>(ops: Ops<V>, inputs: readonly V[]) => {
    const store = new Store(ops, variables);
    store.takeIn(list, inputs);
    return [];
  },
});

/** A routine that sets variables to zero. → nothing */
const resetting = ({ variables }: Network, list: readonly Variable[]): Routine => ({
  inputs: [],
  body: (ops) => {
    const store = new Store(ops, variables);
    for (const { name, kept } of store.stored(list)) {
      const attributes = { T: FLOAT, index_type: INT32 };
      store.assign(name, one(ops, 'Fill', [vector(ops, ...kept), scalar(ops, 0)], attributes));
    }
    return [];
  },
});

/** A routine that reads variables. → their values in PyTorch's layouts */
const exporting = ({ variables }: Network, list: readonly Variable[]): Routine => ({
  inputs: [],
  body: (ops) => {
    const store = new Store(ops, variables);
    return list.map((variable) => store.handOut(variable, store.read(variable.name)));
  },
});
