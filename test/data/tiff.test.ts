import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { decode } from '../../src/data/decode.js';
import { temporaryFolder } from '../helpers/folder.js';
import { type TiffOptions, tiff } from '../helpers/tiff.js';

const [WIDTH, HEIGHT] = [16, 12];
const SIZE = { width: WIDTH, height: HEIGHT };

/** Colours of four quarters, told apart by any mistake. */
const QUARTERS = [
  [220, 40, 30],
  [30, 200, 60],
  [20, 60, 210],
  [200, 200, 190],
] as const;

const quarter = (pixel: number): number => {
  const [x, y] = [pixel % WIDTH, Math.floor(pixel / WIDTH)];
  return (x < WIDTH / 2 ? 0 : 1) + (y < HEIGHT / 2 ? 0 : 2);
};

/** The samples of each pixel, by the colour of its quarter. */
function samplesOf(each: (colour: readonly number[]) => readonly number[]): number[] {
  return Array.from({ length: WIDTH * HEIGHT }, (_, i) => each(QUARTERS[quarter(i)]!)).flat();
}

const TARGET = { size: 8, channels: 3, fit: 'squash' } as const;

/** The picture that a file holds, decoded in this process. */
async function decoded(t: ExecutionContext, file: Buffer) {
  const folder = await temporaryFolder(t);
  const name = path.join(folder, 'a.tif');
  await writeFile(name, file);
  return decode({ kind: 'file', path: name }, TARGET);
}

/** The colours of the quarters in the image of a file, and what is doubtful about it. */
async function read(t: ExecutionContext, file: Buffer) {
  const { pixels, doubt } = await decoded(t, file);
  const corner = (at: number) => [...pixels.subarray(3 * at, 3 * at + 3)];
  return { colours: [corner(0), corner(7), corner(56), corner(63)], doubt };
}

const of = (options: Omit<TiffOptions, 'width' | 'height'>): Buffer =>
  tiff({ ...SIZE, ...options });

const BAND = 90;
const bytes = (each: (colour: readonly number[]) => readonly number[]) =>
  Uint8Array.from(samplesOf(each));
const grey = ([r]: readonly number[]): number[] => [r!];
const asGrey = QUARTERS.map(([r]) => [r, r, r]);
const asRgb = QUARTERS.map((colour) => [...colour]);

test('extra samples that are not transparency are ignored, as in Pillow', async (t) => {
  const beside: [string, readonly number[], readonly number[] | undefined][] = [
    ['near infrared', [BAND], [0]],
    ['two bands', [BAND, BAND], [0, 0]],
    ['five bands', [BAND, 7, BAND, 0, 255], [0, 0, 0, 0, 0]],
    ['two bands that are not declared', [BAND, BAND], undefined],
  ];
  for (const [name, more, extra] of beside) {
    const declared = extra && { extra };
    const rgb = of({ photometric: 2, samples: bytes((c) => [...c, ...more]), ...declared });
    t.deepEqual((await read(t, rgb)).colours, asRgb, `RGB and ${name}`);
    const one = of({ photometric: 1, samples: bytes((c) => [...grey(c), ...more]), ...declared });
    t.deepEqual((await read(t, one)).colours, asGrey, `grey and ${name}`);
  }
  const undeclared = of({ photometric: 1, samples: bytes((c) => [...grey(c), BAND]) });
  t.deepEqual((await read(t, undeclared)).colours, asGrey);
  const words = Uint16Array.from(
    samplesOf((c) => [...c, BAND]),
    (v) => 257 * v,
  );
  t.deepEqual((await read(t, of({ photometric: 2, samples: words, extra: [0] }))).colours, asRgb);
});

test('a spot plate does not change the colours of the inks', async (t) => {
  const inks = ([r, g, b]: readonly number[]) => [255 - r!, 255 - g!, 255 - b!, 0];
  const plain = await read(t, of({ photometric: 5, samples: bytes(inks) }));
  for (const plates of [[BAND], [BAND, BAND]]) {
    const samples = bytes((c) => [...inks(c), ...plates]);
    const file = of({ photometric: 5, samples, extra: plates.map(() => 0) });
    t.deepEqual((await read(t, file)).colours, plain.colours);
  }
});

test('transparency shows white, at any position among the samples', async (t) => {
  const OPACITY = 102;
  const shown = (v: number) => Math.floor((v * OPACITY + 255 * (255 - OPACITY)) / 255);
  const rgb = QUARTERS.map((colour) => colour.map(shown));
  const cases: [string, readonly number[] | undefined, readonly number[]][] = [
    ['alone', [2], [OPACITY]],
    ['not declared, as libtiff and Pillow take it', undefined, [OPACITY]],
    ['after a band', [0, 2], [BAND, OPACITY]],
    ['before a band', [2, 0], [OPACITY, BAND]],
    ['after three bands', [0, 0, 0, 2], [BAND, BAND, BAND, OPACITY]],
  ];
  for (const [name, extra, more] of cases) {
    const samples = bytes((c) => [...c, ...more]);
    const file = of({ photometric: 2, samples, ...(extra && { extra }) });
    t.deepEqual((await read(t, file)).colours, rgb, name);
  }
  const samples = bytes((c) => [...grey(c), BAND, OPACITY]);
  const file = of({ photometric: 1, samples, extra: [0, 2] });
  t.deepEqual(
    (await read(t, file)).colours,
    asGrey.map((c) => c.map(shown)),
  );
  // Colours that are multiplied by it already; rounded to whole levels there, so that some come out one off.
  const premultiplied = bytes((c) => [...c.map((v) => Math.round((v * OPACITY) / 255)), OPACITY]);
  const associated = await read(t, of({ photometric: 2, samples: premultiplied, extra: [1] }));
  for (const [i, colour] of associated.colours.entries())
    for (const [c, level] of colour.entries()) t.true(Math.abs(level - rgb[i]![c]!) <= 1);
});

test('floating-point samples from 0 to 1 are scaled, grey, RGB and inverted', async (t) => {
  const unit = (each: (colour: readonly number[]) => readonly number[]) =>
    Float32Array.from(samplesOf(each), (v) => v / 255);
  const greys = await read(t, of({ photometric: 1, samples: unit(grey), format: 3 }));
  t.deepEqual(greys, { colours: asGrey, doubt: undefined });
  const rgb = await read(t, of({ photometric: 2, samples: unit((c) => c), format: 3 }));
  t.deepEqual(rgb, { colours: asRgb, doubt: undefined });
  const band = unit((c) => [...c, BAND]);
  const beside = await read(t, of({ photometric: 2, samples: band, extra: [0], format: 3 }));
  t.deepEqual(beside, { colours: asRgb, doubt: undefined });
  const negative = unit((c) => grey(c).map((v) => 255 - v));
  const inverted = await read(t, of({ photometric: 0, samples: negative, format: 3 }));
  t.deepEqual(inverted, { colours: asGrey, doubt: undefined });
  const alpha = unit((c) => [...c, 0]);
  const clear = await read(t, of({ photometric: 2, samples: alpha, extra: [2], format: 3 }));
  t.deepEqual(clear.colours, Array(4).fill([255, 255, 255]));
});

test('32-bit samples that use their range are scaled', async (t) => {
  const wide = (each: (colour: readonly number[]) => readonly number[]) =>
    Uint32Array.from(samplesOf(each), (v) => v * 0x01010101);
  const greys = await read(t, of({ photometric: 1, samples: wide(grey) }));
  t.deepEqual(greys, { colours: asGrey, doubt: undefined });
  const rgb = await read(t, of({ photometric: 2, samples: wide((c) => c) }));
  t.deepEqual(rgb, { colours: asRgb, doubt: undefined });
});

test('12 bits in 16-bit words are scaled if the file says so, and give a warning otherwise', async (t) => {
  const samples = Uint16Array.from(
    samplesOf((c) => c),
    (v) => Math.round((v * 4095) / 255),
  );
  const said = await read(t, of({ photometric: 2, samples, tags: [[281, [4095, 4095, 4095]]] }));
  t.deepEqual(said, { colours: asRgb, doubt: undefined });
  const unsaid = await read(t, of({ photometric: 2, samples }));
  t.regex(unsaid.doubt!, /16-bit samples use at most a quarter of their range.*looks dark/);
  const whole = Uint16Array.from(
    samplesOf((c) => c),
    (v) => 257 * v,
  );
  // What a file says of its largest value does not count where it does not hold.
  const wrong = await read(
    t,
    of({ photometric: 2, samples: whole, tags: [[281, [4095, 4095, 4095]]] }),
  );
  t.deepEqual(wrong, { colours: asRgb, doubt: undefined });
});

test('samples with an unknown white level are clipped as in Pillow, with a warning', async (t) => {
  const values = (scale: number) => samplesOf(grey).map((v) => v * scale);
  const cases: [string, Omit<TiffOptions, 'width' | 'height'>, RegExp][] = [
    [
      'floats to 255',
      { samples: Float32Array.from(values(1)), photometric: 1, format: 3 },
      /floating-point samples range from 20 to 220/,
    ],
    [
      'signed 8-bit',
      { samples: Int8Array.from(values(0.5)), photometric: 1, format: 2 },
      /signed 8-bit samples range from 10 to 110/,
    ],
    [
      'signed 16-bit',
      { samples: Int16Array.from(values(1)), photometric: 1, format: 2 },
      /signed 16-bit samples range from 20 to 220/,
    ],
    [
      'signed 32-bit',
      { samples: Int32Array.from(values(1)), photometric: 1, format: 2 },
      /signed 32-bit samples range from 20 to 220/,
    ],
    [
      '32-bit',
      { samples: Uint32Array.from(values(1)), photometric: 1 },
      / 32-bit samples range from 20 to 220/,
    ],
  ];
  for (const [name, options, doubt] of cases) {
    const scale = name === 'signed 8-bit' ? 0.5 : 1;
    const { colours, doubt: got } = await read(t, of(options));
    t.deepEqual(
      colours,
      asGrey.map((c) => c.map((v) => v * scale)),
      name,
    );
    t.regex(got ?? '', doubt, name);
  }
  const far = await read(
    t,
    of({ samples: Float32Array.from(values(300), (v) => v - 5), photometric: 1, format: 3 }),
  );
  t.deepEqual(far.colours, Array(4).fill([255, 255, 255]));
  t.regex(far.doubt!, /range from 5995 to 65995/);
  const holes = Float32Array.from(values(1 / 255));
  holes[40] = Number.NaN;
  t.regex(
    (await read(t, of({ samples: holes, photometric: 1, format: 3 }))).doubt!,
    /are not numbers/,
  );
});

test('half-precision samples from 0 to 1 are scaled, and refused beyond', async (t) => {
  // 1, 1/2, 1/4 and 0 as half-precision numbers.
  const HALVES = [0x3c00, 0x3800, 0x3400, 0];
  const halves = (...beside: number[]) =>
    Uint16Array.from({ length: WIDTH * HEIGHT }, (_, i) => beside[i] ?? HALVES[quarter(i)]!);
  const grey = await read(t, of({ photometric: 1, samples: halves(), format: 3 }));
  const expected = [255, 128, 64, 0].map((v) => [v, v, v]);
  t.deepEqual(grey, { colours: expected, doubt: undefined });
  const beyond = of({ photometric: 1, samples: halves(0x5800), format: 3 });
  await t.throwsAsync(read(t, beyond), { message: /half-precision samples go beyond 0 to 1/ });
});

test('unsupported samples are reported with the supported ones', async (t) => {
  const samples = Float64Array.from(samplesOf(grey), (v) => v / 255);
  await t.throwsAsync(decoded(t, of({ samples, photometric: 1, format: 3 })), {
    message:
      'its samples are floating-point ones of 64 bits, which are not supported; expected 16 or 32',
  });
});

test('a header with two billion samples per pixel is refused at once', async (t) => {
  const file = of({ photometric: 2, samples: new Uint8Array(3 * WIDTH * HEIGHT) });
  // SamplesPerPixel, as LONG.
  const at = Array.from({ length: file.readUInt16LE(8) }, (_, i) => 10 + 12 * i).find(
    (entry) => file.readUInt16LE(entry) === 277,
  )!;
  file.writeUInt16LE(4, at + 2);
  file.writeUInt32LE(0x7fffffff, at + 8);
  const error = await t.throwsAsync(decoded(t, file));
  t.is(error.constructor, Error);
});
