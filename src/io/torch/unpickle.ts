/**
 * An interpreter for pickles that cannot run code: it knows the opcodes that protocols 2 to 5 write for data, and of
 * Python's classes and functions only those that occur in a state dict (calls.ts). Any other name is only a name, and calling it
 * gives an opaque object. Every loop is bounded by existing bytes, and so is the memory that they may
 * become.
 *
 * Format: https://github.com/python/cpython/blob/main/Lib/pickletools.py
 */
import { type ByteReader, PickleError } from './byte-reader.js';
import { call, type PersistentLoad } from './calls.js';
import { Global, Opaque, Tuple, type Value } from './values.js';

/**
 * The most opcodes, and the most containers. A tensor takes some 40 and 6; a history of losses one per value.
 */
const MOST_OPCODES = 10_000_000;
const MOST_CONTAINERS = 1_500_000;

/** MARK puts it on the stack, for a later opcode that takes everything above it. */
const MARK = Symbol('mark');
type Item = Value | typeof MARK;

/**
 * Reads the pickle that starts at `reader.at`, and leaves the reader after it.
 * @param persistentLoad resolves a persistent id, by which PyTorch refers to storages
 * @throws PickleError
 */
export function unpickle(reader: ByteReader, persistentLoad: PersistentLoad): Value {
  return new Machine(reader, persistentLoad).run();
}

class Machine {
  private readonly reader: ByteReader;
  private readonly persistentLoad: PersistentLoad;
  private readonly stack: Item[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, Value>();
  private containers = 0;

  constructor(reader: ByteReader, persistentLoad: PersistentLoad) {
    this.reader = reader;
    this.persistentLoad = persistentLoad;
  }

  run(): Value {
    for (let count = 0; count < MOST_OPCODES; count++) {
      const at = this.reader.at;
      const opcode = this.reader.u8();
      if (opcode === STOP) return this.pop();
      const operation = OPERATIONS.get(opcode);
      if (!operation) {
        const hex = opcode.toString(16).padStart(2, '0');
        throw new PickleError(`opcode 0x${hex} at byte ${at} does not occur in a state dict`);
      }
      operation(this, this.reader);
    }
    throw new PickleError(`it has more than ${MOST_OPCODES} opcodes`);
  }

  push(value: Value): void {
    this.stack.push(value);
  }

  /** Pushes a new list, tuple, dictionary or call result. */
  pushContainer(value: Value): void {
    if (++this.containers > MOST_CONTAINERS)
      throw new PickleError(`it has more than ${MOST_CONTAINERS} lists, dictionaries and objects`);
    this.stack.push(value);
  }

  pop(): Value {
    const item = this.stack.pop();
    if (item === undefined || item === MARK) throw new PickleError('its stack is empty');
    return item;
  }

  top(): Value {
    const value = this.pop();
    this.stack.push(value);
    return value;
  }

  mark(): void {
    this.marks.push(this.stack.length);
    this.stack.push(MARK);
  }

  /** The values above the last mark, in order. */
  popMark(): Value[] {
    const at = this.marks.pop();
    if (at === undefined) throw new PickleError('a mark is missing');
    return this.stack.splice(at).slice(1) as Value[];
  }

  /** POP also removes a mark. */
  drop(): void {
    if (this.stack.at(-1) === MARK) this.marks.pop();
    if (this.stack.pop() === undefined) throw new PickleError('its stack is empty');
  }

  put(index: number): void {
    this.memo.set(index, this.top());
  }

  memoize(): void {
    this.put(this.memo.size);
  }

  get(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) throw new PickleError(`memo ${index} is empty`);
    this.push(value);
  }

  /** Puts alternating keys and values into the dictionary on top; for other objects they are dropped. */
  setItems(pairs: readonly Value[]): void {
    if (pairs.length % 2 !== 0) throw new PickleError('a key has no value');
    const target = this.top();
    if (target instanceof Map)
      for (let i = 0; i < pairs.length; i += 2) target.set(pairs[i]!, pairs[i + 1]!);
    else if (!(target instanceof Opaque))
      throw new PickleError('items of something other than a dictionary');
  }

  append(values: readonly Value[]): void {
    const target = this.top();
    if (Array.isArray(target)) for (const value of values) target.push(value);
    else if (!(target instanceof Opaque))
      throw new PickleError('elements of something other than a list');
  }

  /** `class(*arguments)`, also by another opcode. */
  reduce(): void {
    const args = this.pop();
    const called = this.pop();
    if (!(args instanceof Tuple)) throw new PickleError('the arguments of a call are not a tuple');
    const made = call(called, args.items);
    // One list of pairs may fill any number of dictionaries, so each pair counts.
    if (made instanceof Map) this.containers += made.size;
    this.pushContainer(made);
  }

  /** The same with keyword arguments, which come last and are ignored. */
  newObjectEx(): void {
    this.pop();
    this.reduce();
  }

  frozenSet(): void {
    this.popMark();
    this.pushContainer(new Opaque('builtins.frozenset'));
  }

  loadPersistent(): void {
    this.pushContainer(this.persistentLoad(this.pop()));
  }

  global(module: Value, name: Value): void {
    if (typeof module !== 'string' || typeof name !== 'string')
      throw new PickleError('the name of a class or function is not text');
    this.pushContainer(new Global(`${module}.${name}`));
  }

  stackGlobal(): void {
    const name = this.pop();
    this.global(this.pop(), name);
  }

  tuple(count: number): void {
    const items = Array.from({ length: count }, () => this.pop()).reverse();
    this.pushContainer(new Tuple(items));
  }
}

type Operation = (machine: Machine, reader: ByteReader) => void;

const STOP = 0x2e;

/** The supported opcodes, by their names in Python's pickletools. */
const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [0x80, (_, r) => void r.u8()], // PROTO
  [0x95, (_, r) => void r.length()], // FRAME
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => m.drop()], // POP
  [0x31, (m) => void m.popMark()], // POP_MARK
  [0x32, (m) => m.push(m.top())], // DUP

  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m, r) => m.push(r.i32())], // BININT
  [0x4b, (m, r) => m.push(r.u8())], // BININT1
  [0x4d, (m, r) => m.push(r.u16())], // BININT2
  [0x8a, (m, r) => m.push(r.integer(r.u8()))], // LONG1
  [0x47, (m, r) => m.push(r.f64())], // BINFLOAT

  [0x58, (m, r) => m.push(r.utf8(r.u32()))], // BINUNICODE
  [0x8c, (m, r) => m.push(r.utf8(r.u8()))], // SHORT_BINUNICODE
  [0x8d, (m, r) => m.push(r.utf8(r.length()))], // BINUNICODE8
  [0x54, (m, r) => m.push(r.latin1(r.u32()))], // BINSTRING: a text of Python 2
  [0x55, (m, r) => m.push(r.latin1(r.u8()))], // SHORT_BINSTRING
  [0x42, (m, r) => m.push(r.slice(r.u32()))], // BINBYTES
  [0x43, (m, r) => m.push(r.slice(r.u8()))], // SHORT_BINBYTES
  [0x8e, (m, r) => m.push(r.slice(r.length()))], // BINBYTES8
  [0x96, (m, r) => m.push(r.slice(r.length()))], // BYTEARRAY8

  [0x5d, (m) => m.pushContainer([])], // EMPTY_LIST
  [0x61, (m) => m.append([m.pop()])], // APPEND
  [0x65, (m) => m.append(m.popMark())], // APPENDS
  [0x7d, (m) => m.pushContainer(new Map())], // EMPTY_DICT
  [0x73, (m) => m.setItems([m.pop(), m.pop()].reverse())], // SETITEM
  [0x75, (m) => m.setItems(m.popMark())], // SETITEMS
  [0x29, (m) => m.tuple(0)], // EMPTY_TUPLE
  [0x85, (m) => m.tuple(1)], // TUPLE1
  [0x86, (m) => m.tuple(2)], // TUPLE2
  [0x87, (m) => m.tuple(3)], // TUPLE3
  [0x74, (m) => m.pushContainer(new Tuple(m.popMark()))], // TUPLE
  [0x8f, (m) => m.pushContainer(new Opaque('builtins.set'))], // EMPTY_SET
  [0x90, (m) => m.append(m.popMark())], // ADDITEMS
  [0x91, (m) => m.frozenSet()], // FROZENSET

  [0x71, (m, r) => m.put(r.u8())], // BINPUT
  [0x72, (m, r) => m.put(r.u32())], // LONG_BINPUT
  [0x94, (m) => m.memoize()], // MEMOIZE
  [0x68, (m, r) => m.get(r.u8())], // BINGET
  [0x6a, (m, r) => m.get(r.u32())], // LONG_BINGET

  [0x63, (m, r) => m.global(r.line(), r.line())], // GLOBAL
  [0x93, (m) => m.stackGlobal()], // STACK_GLOBAL
  [0x52, (m) => m.reduce()], // REDUCE
  [0x81, (m) => m.reduce()], // NEWOBJ
  [0x92, (m) => m.newObjectEx()], // NEWOBJ_EX
  [0x62, (m) => void m.pop()], // BUILD: the state of an object; a state dict's is `_metadata`
  [0x51, (m) => m.loadPersistent()], // BINPERSID
]);
