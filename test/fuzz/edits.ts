/** Damaged files: what is done to the bytes of a sound one, as values of fast-check, which makes the damage smaller where it finds a fault. */
import fc from 'fast-check';

/** One change of some bytes. Places are taken modulo their number. */
type Edit =
  | { readonly kind: 'set'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | {
      readonly kind: 'number';
      readonly at: number;
      readonly value: bigint;
      readonly size: number;
      readonly big: boolean;
    }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'remove'; readonly at: number; readonly length: number }
  | {
      readonly kind: 'repeat';
      readonly at: number;
      readonly length: number;
      readonly times: number;
    }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'word'; readonly at: number; readonly text: string };

/** Which seed is damaged, and how. */
export interface Damage {
  readonly seed: number;
  readonly edits: readonly Edit[];
}

/** Numbers at which lengths, counts and offsets go wrong. */
const NUMBERS = [
  ...[0n, 1n, 2n, 7n, 8n, 127n, 128n, 255n, 256n, 4095n, 4096n, 65_535n, 65_536n],
  ...[2n ** 24n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n],
  ...[2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
];

/** What takes the place of a word or a number of a text. */
const WORDS = [
  ...[
    '0',
    '-0',
    '1',
    '-1',
    '2',
    '255',
    '65536',
    '4294967296',
    '9007199254740993',
    '1e999',
    '-1e999',
    '0.5',
    '1e-400',
  ],
  ...[
    'null',
    'true',
    'false',
    'NaN',
    '""',
    '"x"',
    '"__proto__"',
    '"constructor"',
    '[]',
    '[0]',
    '{}',
    '{"":0}',
  ],
  ...[
    `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    `"${'x'.repeat(3000)}"`,
    '"\\u0000"',
    '"\\ud800"',
    '\ufeff',
    '\u2028',
  ],
];

/** Most faults are in headers, which come first. */
const place = fc.oneof(fc.nat(63), fc.nat(511), fc.nat());
const bytes = fc.uint8Array({ minLength: 1, maxLength: 16 });

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), at: place, bytes }),
  fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.nat(7) }),
  fc.record({
    ...{ kind: fc.constant('number' as const), at: place, value: fc.constantFrom(...NUMBERS) },
    ...{ size: fc.constantFrom(1, 2, 4, 8), big: fc.boolean() },
  }),
  fc.record({ kind: fc.constant('cut' as const), at: place }),
  fc.record({ kind: fc.constant('remove' as const), at: place, length: fc.nat(64) }),
  fc.record({
    kind: fc.constant('repeat' as const),
    at: place,
    length: fc.nat(64),
    times: fc.nat(100),
  }),
  fc.record({ kind: fc.constant('insert' as const), at: place, bytes }),
  fc.record({ kind: fc.constant('word' as const), at: place, text: fc.constantFrom(...WORDS) }),
);

export const damage: fc.Arbitrary<Damage> = fc.record({
  seed: fc.nat(1000),
  edits: fc.array(edit, { minLength: 1, maxLength: 6 }),
});

/** The damaged bytes. */
export function damaged(seeds: readonly Uint8Array[], { seed, edits }: Damage): Buffer {
  const begin = Buffer.from(seeds[seed % seeds.length]!);
  return edits.reduce((file, one) => Buffer.concat(changed(file, one)), begin);
}

function changed(file: Buffer, edit: Edit): Uint8Array[] {
  const at = edit.at % (file.length + 1);
  const [before, after] = [file.subarray(0, at), file.subarray(at)];
  switch (edit.kind) {
    case 'set':
      return [before, edit.bytes, after.subarray(edit.bytes.length)];
    case 'flip':
      return [before, Uint8Array.of((file[at] ?? 0) ^ (1 << edit.bit)), after.subarray(1)];
    case 'number':
      return [before, numberBytes(edit), after.subarray(edit.size)];
    case 'cut':
      return [before];
    case 'remove':
      return [before, after.subarray(edit.length)];
    case 'repeat':
      return [before, ...Array<Buffer>(edit.times).fill(after.subarray(0, edit.length)), after];
    case 'insert':
      return [before, edit.bytes, after];
    case 'word':
      return [before, ...withWord(after, edit.text)];
    default:
      return edit satisfies never;
  }
}

function numberBytes({ value, size, big }: Edit & { kind: 'number' }): Buffer {
  const all = Buffer.alloc(8);
  all.writeBigUInt64LE(value);
  const least = all.subarray(0, size);
  return big ? least.reverse() : least;
}

/** The next string, number or word of a text replaced by another. */
function withWord(text: Buffer, word: string): Uint8Array[] {
  // One byte a character, so that places in the one are places in the other.
  const found = /"(?:[^"\\]|\\.){0,200}"|[-+\w.]+/.exec(text.toString('latin1'));
  if (!found) return [text];
  const end = found.index + found[0].length;
  return [text.subarray(0, found.index), Buffer.from(word), text.subarray(end)];
}
