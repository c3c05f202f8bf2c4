/**
 * One car as an SVG picture, 64 units a side: a side view facing right that fills the frame, on a road under
 * a plain sky. The shapes are strong and few, so that they survive at 32 pixels and a small U-Net can learn them;
 * everything that varies comes from the caller's random numbers.
 */
import { type Body, drawBody, n, pick, pickBodyName, type Uniform } from './car-bodies.js';

const COLOURS = [
  '#e0342b',
  '#f2762e',
  '#f7c531',
  '#58b947',
  '#1f9e89',
  '#2f7fd6',
  '#3b4cc0',
  '#8e44ad',
  '#e86a9a',
  '#f4f1ea',
  '#8d99a6',
  '#33383f',
] as const;

const SKIES = [
  ['#9fd3f5', '#e4f4fc'],
  ['#7fc4f0', '#cfeaf8'],
  ['#fbd3a8', '#fdeedd'],
  ['#bfe3d4', '#eef8f1'],
] as const;

const GRASS = ['#8cc36a', '#a5bf62', '#76b27c'] as const;
const ROAD = ['#6f747b', '#7d7f86', '#64707a'] as const;

const GLASS = '#cfeaf6';
const INK = '#22262c';

/** Side of the drawings' frame, in units. */
export const CAR_UNITS = 64;

/** Height of the ground, where the wheels touch it. */
const GROUND = 53;

/** The picture of one car: an SVG document with a side of `pixels`. */
export function drawCar(random: Uniform, pixels: number): string {
  const scene = background(random);
  const body = drawBody(random);
  const colour = pick(random, COLOURS);
  const second = pick(
    random,
    COLOURS.filter((c) => c !== colour),
  );
  // Scaled a little about the point where the wheels touch the ground, and shifted a little sideways.
  const scale = 0.94 + 0.1 * random();
  const dx = 32 * (1 - scale) + 2 * (random() - 0.5);
  const dy = GROUND * (1 - scale);
  const rim = pick(random, ['#d9dde2', '#f3f4f6', '#b9c0c8']);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${pixels}" height="${pixels}" viewBox="0 0 64 64">` +
    scene +
    `<g transform="translate(${n(dx)} ${n(dy)}) scale(${n(scale)})">${car(body, colour, second, rim)}</g>` +
    '</svg>'
  );
}

/** The kind of car that `drawCar` draws with the same random numbers. */
export function carBody(random: Uniform): string {
  background(random);
  return pickBodyName(random);
}

function background(random: Uniform): string {
  const [top, bottom] = pick(random, SKIES);
  const grass = pick(random, GRASS);
  const road = pick(random, ROAD);
  const horizon = 37 + 3 * random();
  const sun = random() < 0.35 ? sunAt(8 + 48 * random()) : '';
  const hill = 8 + 48 * random();
  return (
    `<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${top}"/>` +
    `<stop offset="1" stop-color="${bottom}"/></linearGradient></defs>` +
    `<rect width="64" height="64" fill="url(#sky)"/>${sun}` +
    `<ellipse cx="${n(hill)}" cy="${n(horizon + 2)}" rx="26" ry="6" fill="${grass}" opacity="0.7"/>` +
    `<rect y="${n(horizon)}" width="64" height="30" fill="${grass}"/>` +
    `<rect y="46" width="64" height="18" fill="${road}"/>` +
    `<rect y="46" width="64" height="0.9" fill="#fff" opacity="0.45"/>` +
    `<path d="M2 60h16M26 60h16M50 60h16" stroke="#fff" stroke-width="1.4" opacity="0.7"/>`
  );
}

const sunAt = (x: number): string =>
  `<circle cx="${n(x)}" cy="9" r="4.5" fill="#fff6c9" opacity="0.9"/>`;

function car(body: Body, colour: string, second: string, rim: string): string {
  const panels = (body.panels ?? []).map((d) => `<path d="${d}" fill="${second}"/>`);
  const glass = body.glass.map(
    (d) =>
      `<path d="${d}" fill="${GLASS}" stroke="${INK}" stroke-width="1" stroke-linejoin="round"/>`,
  );
  const lines = (body.lines ?? []).map(
    (d) => `<path d="${d}" fill="none" stroke="${INK}" stroke-width="0.8" opacity="0.55"/>`,
  );
  const { y, nose, tail } = body.lights;
  return [
    `<ellipse cx="32" cy="${GROUND}" rx="29" ry="2.6" fill="#000" opacity="0.32"/>`,
    `<clipPath id="shell"><path d="${body.shell}"/></clipPath>`,
    `<path d="${body.shell}" fill="${colour}"/>`,
    `<g clip-path="url(#shell)">${panels.join('')}` +
      '<rect y="42.4" width="64" height="12" fill="#000" opacity="0.22"/>' +
      '<rect y="33.4" width="64" height="1.2" fill="#fff" opacity="0.3"/>' +
      `<rect x="${n(nose - 3.6)}" y="${n(y)}" width="4.4" height="3.4" rx="1.2" fill="#fff3b0"/>` +
      `<rect x="${n(tail - 0.8)}" y="${n(y)}" width="3.4" height="3.6" rx="1" fill="#c8102e"/>` +
      body.wheels.map((x) => arch(x, body.radius)).join('') +
      '</g>',
    ...glass,
    ...lines,
    `<path d="${body.shell}" fill="none" stroke="${INK}" stroke-width="1.3" stroke-linejoin="round"/>`,
    ...body.wheels.map((x) => wheel(x, body.radius, rim)),
  ].join('');
}

const arch = (x: number, r: number): string =>
  `<circle cx="${n(x)}" cy="${n(GROUND - r)}" r="${n(r + 1.5)}" fill="#17191d"/>`;

const wheel = (x: number, r: number, rim: string): string => {
  const at = `cx="${n(x)}" cy="${n(GROUND - r)}"`;
  return (
    `<circle ${at} r="${n(r)}" fill="#1c1e22"/>` +
    `<circle ${at} r="${n(r * 0.56)}" fill="${rim}"/>` +
    `<circle ${at} r="${n(r * 0.2)}" fill="#4b5159"/>`
  );
};
