/**
 * Runs each routine as one graph. All routines are recorded into one graph once, which becomes its own session
 * with the variables in it; a run is then a single call, however many operations it has. The
 * binding can load graphs only from SavedModel folders, so the graph is written to a temporary one.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { RunError } from '../errors.js';
import { type Constant, type Node, savedModel, TAG } from './graph-def.js';
import type { Tensorflow } from './load.js';
import {
  type Attributes,
  FLOAT,
  INT32,
  type Machine,
  type Ops,
  planned,
  type Routine,
  shape as shapeAttribute,
  string,
} from './ops.js';
import { CONFIG_FILE, type Layout, sessionConfig } from './session-config.js';
import { valuesOf } from './values.js';

/** The values to feed and to fetch, as `node:output`. */
interface Ends {
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly outputs: readonly string[];
}

type Routines<Name extends string> = Readonly<Partial<Record<Name, Routine>>>;

export class GraphMachine<Name extends string> implements Machine<Name> {
  readonly #tensorflow: Tensorflow;
  readonly #ends: ReadonlyMap<Name, Ends>;
  #session: number | undefined;

  constructor(tensorflow: Tensorflow, routines: Routines<Name>, layout: Layout = 'auto') {
    this.#tensorflow = tensorflow;
    const { nodes, ends } = recordGraph(routines);
    this.#ends = ends;
    const model = savedModel(nodes, tensorflow.install.packageFolder);
    this.#session = loadModel(tensorflow, model, sessionConfig(layout));
  }

  run(routine: Name, inputs: readonly Float32Array[]): Float32Array[] {
    const { tf, backend } = this.#tensorflow;
    const { inputs: specs, outputs } = planned(this.#ends.get(routine), routine);
    if (this.#session === undefined) throw new RunError('this network was disposed');
    const session = this.#session;
    return valuesOf(tf, () => {
      const fed = specs.map(({ shape }, i) => tf.tensor(words(inputs[i]!), shape, 'int32'));
      const infos = specs.map(({ name }) => ({ name, dtype: 'int32' }));
      return backend.runSavedModel(session, fed, infos, outputs);
    });
  }

  dispose(): void {
    if (this.#session !== undefined) this.#tensorflow.backend.deleteSavedModel(this.#session);
    this.#session = undefined;
  }
}

/** Records routines as one graph. */
export function recordGraph<Name extends string>(
  routines: Routines<Name>,
): { readonly nodes: readonly Node[]; readonly ends: ReadonlyMap<Name, Ends> } {
  const recorder = new Recorder();
  const ends = new Map<Name, Ends>();
  for (const [name, routine] of Object.entries(routines) as [Name, Routine][])
    ends.set(name, record(recorder, name, routine));
  return { nodes: recorder.nodes, ends };
}

/** Records one routine: placeholders, its operations, and outputs that wait for its assignments. */
function record(recorder: Recorder, name: string, { inputs, body }: Routine): Ends {
  recorder.begin(name);
  const fed = inputs.map((input) => ({
    name: recorder.placeholder(input.name, input.shape),
    shape: input.shape,
  }));
  const values = fed.map((input) => recorder.fed(input.name));
  const results = body(recorder, values);
  return { inputs: fed, outputs: recorder.finish(results) };
}

/**
 * f32 values as the i32 with the same bits, which is how a graph is fed: of the tensors that the binding makes, only i32 ones stay in host
 * memory. Others go to the GPU at once, and since a session takes its inputs from the host, back again and there once more.
 */
const words = ({ buffer, byteOffset, length }: Float32Array): Int32Array =>
  new Int32Array(buffer, byteOffset, length);

/** Records operations as graph nodes. A value is the name of a node's output: `train/12-Conv2D:0`. */
class Recorder implements Ops<string> {
  readonly nodes: Node[] = [];
  readonly #variables = new Map<string, string>();
  readonly #handles = new Set<string>();
  #routine = '';
  /** Nodes of this routine whose outputs nothing reads: assignments and updates. */
  #effects: string[] = [];
  /** The last node of this routine that changed a variable, by the variable's handle. */
  readonly #changed = new Map<string, string>();

  begin(routine: string): void {
    this.#routine = routine;
    this.#effects = [];
    this.#changed.clear();
  }

  /** An input that is fed: the bits of f32 values, as i32. */
  placeholder(name: string, shape: readonly number[]): string {
    const attributes = { dtype: INT32, shape: shapeAttribute(shape) };
    return this.#add(`${this.#routine}/in/${name}`, 'Placeholder', [], attributes);
  }

  /** The values of an input. */
  fed(placeholder: string): string {
    return this.op('Bitcast', [placeholder], { T: INT32, type: FLOAT })[0]!;
  }

  /** The values to fetch: the results; the first one also waits for all side effects of the routine. */
  finish(results: readonly string[]): string[] {
    const after = this.#effects.map(waitFor);
    const values = results.length > 0 ? results : [this.constant(Float32Array.of(0), [])];
    return values.map((value, i) => {
      const inputs = i === 0 ? [value, ...after] : [value];
      return this.#add(`${this.#routine}/out/${i}`, 'Identity', inputs, { T: FLOAT });
    });
  }

  op(name: string, inputs: readonly string[], attributes: Attributes, outputs = 1): string[] {
    const node = this.#name(name);
    this.#add(node, name, outputs === 0 ? this.#effect(node, inputs) : inputs, attributes);
    return Array.from({ length: outputs }, (_, i) => `${node}:${i}`);
  }

  after(value: string, first: readonly string[]): string {
    const inputs = [value, ...first.map(waitFor)];
    return this.#add(this.#name('After'), 'Identity', inputs, { T: FLOAT });
  }

  constant(values: Float32Array | Int32Array, shape: readonly number[]): string {
    const attributes = { dtype: values instanceof Int32Array ? INT32 : FLOAT };
    return this.#add(this.#name('Const'), 'Const', [], attributes, { values, shape });
  }

  variable(name: string, shape: readonly number[]): string {
    let handle = this.#variables.get(name);
    if (handle === undefined) {
      const attributes = { dtype: FLOAT, shape: shapeAttribute(shape), shared_name: string(name) };
      handle = this.#add(`variable/${name}`, 'VarHandleOp', [], attributes);
      this.#variables.set(name, handle);
      this.#handles.add(handle);
    }
    return handle;
  }

  #name(of: string): string {
    return `${this.#routine}/${this.nodes.length}-${of}`;
  }

  /** The inputs of a node that changes variables: it waits for earlier changes of the same ones. */
  #effect(node: string, inputs: readonly string[]): string[] {
    const before = inputs.flatMap((input) => this.#changed.get(input) ?? []);
    for (const input of inputs) if (this.#handles.has(input)) this.#changed.set(input, node);
    this.#effects.push(node);
    return [...inputs, ...before.map(waitFor)];
  }

  #add(
    name: string,
    op: string,
    inputs: readonly string[],
    attributes: Attributes,
    value?: Constant,
  ): string {
    this.nodes.push({ name, op, inputs, attributes, ...(value && { value }) });
    return `${name}:0`;
  }
}

/** A control input for the node of a value. */
const waitFor = (value: string): string => `^${value.replace(/:\d+$/, '')}`;

function loadModel({ backend }: Tensorflow, model: Uint8Array, config: Uint8Array): number {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'haze-graph-'));
  try {
    writeFileSync(path.join(folder, 'saved_model.pb'), model);
    writeFileSync(path.join(folder, CONFIG_FILE), config);
    return backend.binding.loadSavedModel(folder, TAG);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
