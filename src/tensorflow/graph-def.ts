/**
 * Writes a graph as TensorFlow's protocol buffers: a SavedModel with one GraphDef and nothing else
 * (no variables folder, no signatures). The message classes are those of the tfjs package.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Attribute, Attributes } from './ops.js';

/** One node: operation, inputs (`node:output`, or `^node` for "after it"), attributes. */
export interface Node {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attributes: Attributes;
  /** For `Const`: its value. */
  readonly value?: Constant;
}

export interface Constant {
  readonly values: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

/** The bytes of saved_model.pb; `packageFolder` is that of `@tensorflow/tfjs-node-gpu`. */
export function savedModel(nodes: readonly Node[], packageFolder: string): Uint8Array {
  const require = createRequire(path.join(packageFolder, 'package.json'));
  const messages = require('./dist/proto/api_pb') as Messages;
  const graph = new messages.GraphDef();
  for (const node of nodes) graph.addNode(nodeDef(messages, node));
  const info = new messages.MetaGraphDef.MetaInfoDef();
  info.addTags(TAG);
  const meta = new messages.MetaGraphDef();
  meta.setMetaInfoDef(info);
  meta.setGraphDef(graph);
  const model = new messages.SavedModel();
  model.addMetaGraphs(meta);
  return model.serializeBinary();
}

/** The tag by which the model is loaded. */
export const TAG = 'serve';

function nodeDef(messages: Messages, { name, op, inputs, attributes, value }: Node): NodeDef {
  const node = new messages.NodeDef();
  node.setName(name);
  node.setOp(op);
  for (const input of inputs) node.addInput(input);
  for (const [key, attribute] of Object.entries(attributes))
    node.getAttrMap().set(key, attrValue(messages, attribute));
  if (value) node.getAttrMap().set('value', tensorValue(messages, attributes, value));
  return node;
}

function attrValue(messages: Messages, { kind, value }: Attribute): AttrValue {
  const attribute = new messages.AttrValue();
  switch (kind) {
    case 'type':
      attribute.setType(value);
      break;
    case 'bool':
      attribute.setB(value);
      break;
    case 'int':
      attribute.setI(value);
      break;
    case 'ints': {
      const list = new messages.AttrValue.ListValue();
      for (const item of value) list.addI(item);
      attribute.setList(list);
      break;
    }
    case 'float':
      attribute.setF(value);
      break;
    case 'string':
      attribute.setS(new TextEncoder().encode(value));
      break;
    case 'shape':
      attribute.setShape(tensorShape(messages, value));
      break;
    default:
      kind satisfies never;
  }
  return attribute;
}

function tensorValue(messages: Messages, attributes: Attributes, constant: Constant): AttrValue {
  const { values, shape } = constant;
  const tensor = new messages.Tensor();
  tensor.setDtype(attributes.dtype!.value as number);
  tensor.setTensorShape(tensorShape(messages, shape));
  tensor.setTensorContent(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  const attribute = new messages.AttrValue();
  attribute.setTensor(tensor);
  return attribute;
}

function tensorShape(messages: Messages, shape: readonly number[]): TensorShape {
  const message = new messages.TensorShape();
  for (const size of shape) {
    const dimension = new messages.TensorShape.Dim();
    dimension.setSize(size);
    message.addDim(dimension);
  }
  return message;
}

/** The generated message classes of `dist/proto/api_pb.js` that are used; the package has no types for them. */
interface Messages {
  readonly GraphDef: new () => GraphDef;
  readonly NodeDef: new () => NodeDef;
  readonly AttrValue: { new (): AttrValue; readonly ListValue: new () => ListValue };
  readonly Tensor: new () => TensorProto;
  readonly TensorShape: { new (): TensorShape; readonly Dim: new () => Dim };
  readonly MetaGraphDef: { new (): MetaGraphDef; readonly MetaInfoDef: new () => MetaInfoDef };
  readonly SavedModel: new () => SavedModel;
}

interface GraphDef {
  addNode(node: NodeDef): void;
}
interface NodeDef {
  setName(name: string): void;
  setOp(op: string): void;
  addInput(input: string): void;
  getAttrMap(): { set(key: string, value: AttrValue): void };
}
interface AttrValue {
  setType(value: number): void;
  setB(value: boolean): void;
  setI(value: number): void;
  setF(value: number): void;
  setS(value: Uint8Array): void;
  setList(value: ListValue): void;
  setShape(value: TensorShape): void;
  setTensor(value: TensorProto): void;
}
interface ListValue {
  addI(value: number): void;
}
interface TensorProto {
  setDtype(value: number): void;
  setTensorShape(value: TensorShape): void;
  setTensorContent(value: Uint8Array): void;
}
interface TensorShape {
  addDim(value: Dim): void;
}
interface Dim {
  setSize(value: number): void;
}
interface MetaGraphDef {
  setMetaInfoDef(value: MetaInfoDef): void;
  setGraphDef(value: GraphDef): void;
}
interface MetaInfoDef {
  addTags(tag: string): void;
}
interface SavedModel {
  addMetaGraphs(value: MetaGraphDef): void;
  serializeBinary(): Uint8Array;
}
