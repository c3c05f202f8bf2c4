/**
 * What a U-Net device computes, as routines over shared variables: prediction with either statistics, the
 * gradients, the whole training step, and state in and out.
 */
import type { Architecture } from '../unet/architecture.js';
import type { Loss } from '../unet/device.js';
import { adamStep } from './adam.js';
import { maps, type Plan, planConvolutions } from './algorithm.js';
import { type Statistics, towards } from './layers.js';
import { lossAndGradient } from './loss.js';
import { FLOAT, INT32, type Ops, one, type Routine, scalar, vector } from './ops.js';
import { Tape } from './tape.js';
import { forward, type Norms, type UnetShape, type Weights } from './unet.js';
import {
  preparedName,
  RATE,
  Store,
  type UnetVariables,
  unetVariables,
  type Variable,
} from './variables.js';

export type RoutineName =
  | 'predict-running'
  | 'predict-batch'
  | 'prepare'
  | 'gradients'
  | 'train'
  | 'set-rate'
  | 'reset'
  | 'import-state'
  | 'export-state'
  | 'import-optimizer'
  | 'export-optimizer';

/** Weight of the batch in a running statistic: PyTorch's `momentum`. */
const MOMENTUM = 0.1;

export interface RoutineOptions {
  readonly loss: Loss;
  /** Without it, training costs no memory. */
  readonly training: boolean;
  /** TensorFlow's own convolutions alone, as on a GPU. */
  readonly direct: boolean;
}

/** What a U-Net can be asked to do; `→` says what each gives. */
export function unetRoutines(
  shape: UnetShape,
  { loss, training, direct }: RoutineOptions,
): Partial<Record<RoutineName, Routine>> {
  const { architecture, size, batch } = shape;
  const prediction = planConvolutions(shape, 'prediction', direct);
  const variables = unetVariables(architecture, prediction);
  const { parameters, statistics, optimizer } = variables;
  const state = [...parameters, ...statistics];
  const image = [batch, size, size, architecture.channels];
  const input = [
    { name: 'xt', shape: image },
    { name: 'embedding', shape: [batch, architecture.timeDim] },
  ];
  const predicting: Partial<Record<RoutineName, Routine>> = {
    // → ε̂
    'predict-running': {
      inputs: input,
      body: (ops, inputs) => {
        const store = new Store(ops, variables);
        return [predict(store, architecture, prediction, 'running', inputs)];
      },
    },
    // → ε̂
    'predict-batch': {
      inputs: input,
      body: (ops, inputs) => {
        const store = new Store(ops, variables);
        return [predict(store, architecture, prediction, 'batch', inputs)];
      },
    },
    // Once after the weights have changed, before they predict. → nothing
    prepare: preparing(variables, prediction),
    reset: resetting(variables, training ? [...state, ...optimizer, RATE] : state),
    'import-state': importing(variables, state),
    'export-state': exporting(variables, state),
  };
  if (!training) return predicting;

  const plan = planConvolutions(shape, 'training', direct);
  const trainingInput = [...input, { name: 'noise', shape: image }];
  return {
    ...predicting,
    // → loss, ε̂, then the gradient of each parameter
    gradients: {
      inputs: trainingInput,
      body: (ops, inputs) => {
        const store = new Store(ops, variables);
        const pass = trainingPass(store, shape, plan, loss, variables, inputs);
        const gradients = parameters.map((p) => store.handOut(p, pass.gradient(p.name)));
        return [pass.loss, pass.epsilon, ...gradients];
      },
    },
    // → loss
    train: {
      inputs: trainingInput,
      body: (ops, inputs) => {
        const store = new Store(ops, variables);
        const pass = trainingPass(store, shape, plan, loss, variables, inputs);
        adamStep(store, parameters, pass.gradient);
        return [pass.loss];
      },
    },
    'set-rate': importing(variables, [RATE]),
    'import-optimizer': importing(variables, optimizer),
    'export-optimizer': exporting(variables, optimizer),
  };
}

/** A routine that assigns what it is given, in PyTorch's layouts. → nothing */
const importing = (variables: UnetVariables, list: readonly Variable[]): Routine => ({
  inputs: list,
  body: <V>(ops: Ops<V>, inputs: readonly V[]) => {
    const store = new Store(ops, variables);
    list.forEach((variable, i) => {
      store.takeIn(variable, inputs[i]!);
    });
    return [];
  },
});

/** A routine that sets variables to zero. → nothing */
const resetting = (variables: UnetVariables, list: readonly Variable[]): Routine => ({
  inputs: [],
  body: (ops) => {
    const store = new Store(ops, variables);
    for (const { name, kept } of list) {
      const attributes = { T: FLOAT, index_type: INT32 };
      store.assign(name, one(ops, 'Fill', [vector(ops, ...kept), scalar(ops, 0)], attributes));
    }
    return [];
  },
});

/** A routine that reads variables. → their values in PyTorch's layouts */
const exporting = (variables: UnetVariables, list: readonly Variable[]): Routine => ({
  inputs: [],
  body: (ops) => {
    const store = new Store(ops, variables);
    return list.map((variable) => store.handOut(variable, store.read(variable.name)));
  },
});

/** A routine that brings weights into the form that prediction takes. */
const preparing = (variables: UnetVariables, plan: Plan): Routine => ({
  inputs: [],
  body: (ops) => {
    const store = new Store(ops, variables);
    for (const [layer, algorithm] of plan) {
      if ('direct' in algorithm) continue;
      const weight = store.read(`${layer}.weight`);
      store.assign(preparedName(layer), maps(ops, algorithm).weights(weight));
    }
    return [];
  },
});

function predict<V>(
  store: Store<V>,
  architecture: Architecture,
  plan: Plan,
  mode: 'running' | 'batch',
  [xt, embedding]: readonly V[],
): V {
  const norms: Norms<V> =
    mode === 'batch' ? { mode } : { mode, running: (name) => runningStatistics(store, name) };
  const weights: Weights<V> = {
    parameter: (name) => store.read(name),
    filter: (layer) => {
      const algorithm = plan.get(layer)!;
      const name = 'direct' in algorithm ? `${layer}.weight` : preparedName(layer);
      return { maps: maps(store.ops, algorithm), form: store.read(name), parameter: undefined };
    },
  };
  return forward(new Tape(store.ops), architecture, weights, norms, xt!, embedding!);
}

/** Forward in training mode, loss and backward; moves the running statistics. */
function trainingPass<V>(
  store: Store<V>,
  shape: UnetShape,
  plan: Plan,
  loss: Loss,
  { parameters }: UnetVariables,
  [xt, embedding, noise]: readonly V[],
): { loss: V; epsilon: V; gradient: (name: string) => V } {
  const { ops } = store;
  const tape = new Tape(ops);
  const values = new Map(parameters.map(({ name }) => [name, store.read(name)]));
  for (const value of values.values()) tape.watch(value);
  const parameter = (name: string) => values.get(name)!;
  const filter = (layer: string) => {
    const weight = parameter(`${layer}.weight`);
    const ways = maps(ops, plan.get(layer)!);
    return { maps: ways, form: ways.weights(weight), parameter: weight };
  };

  const running = new Map<string, Statistics<V>>();
  const seen = (name: string, batch: Statistics<V>) => {
    // A shared norm is applied twice; its second move starts where the first ended.
    const { mean, variance } = running.get(name) ?? runningStatistics(store, name);
    running.set(name, {
      mean: towards(ops, mean, batch.mean, MOMENTUM),
      variance: towards(ops, variance, batch.variance, MOMENTUM),
    });
  };
  const { architecture } = shape;
  const norms: Norms<V> = { mode: 'batch', seen };
  const epsilon = forward(tape, architecture, { parameter, filter }, norms, xt!, embedding!);
  for (const [name, { mean, variance }] of running) {
    store.assign(`${name}.running_mean`, mean);
    store.assign(`${name}.running_var`, variance);
  }

  const count = shape.batch * shape.size ** 2 * architecture.channels;
  const { value, gradient } = lossAndGradient(ops, loss, epsilon, noise!, count);
  tape.backward(epsilon, gradient);
  return { loss: value, epsilon, gradient: (name) => tape.gradient(parameter(name)) };
}

const runningStatistics = <V>(store: Store<V>, name: string): Statistics<V> => ({
  mean: store.read(`${name}.running_mean`),
  variance: store.read(`${name}.running_var`),
});
