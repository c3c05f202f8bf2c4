/**
 * The kinds of car: silhouettes, panes and wheels as SVG path data in a 64-unit square, the nose
 * to the right, the sills at y = 47.5. The proportions of each come from the caller's random numbers.
 */

/** A uniform random number in [0, 1), a new one at each call. */
export type Uniform = () => number;

/** A car's outline: the differences between a van and a sedan. Points are SVG path data in the 64-unit frame. */
export interface Body {
  /** The silhouette, from the rear bumper clockwise to the front one, closed along the sills. */
  readonly shell: string;
  /** Panes of glass. */
  readonly glass: readonly string[];
  /** Panels in the second colour: a lorry's box, a bus's stripe. */
  readonly panels?: readonly string[];
  /** Extra lines in dark ink: doors, pillars, load edges. */
  readonly lines?: readonly string[];
  /** Wheel centres (x) and their radius. */
  readonly wheels: readonly number[];
  readonly radius: number;
  /** Height (y) of the lights, and x of the nose and the tail at that height. */
  readonly lights: { readonly y: number; readonly nose: number; readonly tail: number };
}

/** Three boxes: bonnet, cabin, boot. */
function sedan(random: Uniform): Body {
  const roof = 20.5 + 2 * random();
  const back = 17 + 3 * random();
  const front = 38 + 3 * random();
  const belt = 31.5;
  return {
    shell:
      `M3.5 46V35.5Q3.5 32 7 31.5L12 31L${n(back)} ${n(roof + 1)}Q${n(back + 1.5)} ${n(roof)} ${n(back + 4)} ${n(roof)}` +
      `H${n(front - 2)}Q${n(front)} ${n(roof)} ${n(front + 2)} ${n(roof + 1.6)}L48.5 31L56 32.8Q60.5 34 60.5 38V46Q60.5 47.5 59 47.5H5Q3.5 47.5 3.5 46Z`,
    glass: [
      `M16.5 ${belt}L${n(back + 2.8)} ${n(roof + 2.6)}H29.2V${belt}Z`,
      `M31.2 ${belt}V${n(roof + 2.6)}H${n(front - 0.8)}L45 ${belt}Z`,
    ],
    lines: ['M30.2 32V45', 'M33 36h3'],
    wheels: [15.5, 48.5],
    radius: 6.4,
    lights: { y: 36, nose: 60.5, tail: 3.5 },
  };
}

/** Two boxes: short bonnet, and a cabin that falls steeply at the rear. */
function hatchback(random: Uniform): Body {
  const roof = 18.5 + 2 * random();
  const front = 35 + 4 * random();
  const belt = 31.5;
  return {
    shell:
      `M6.5 45V34Q6.5 31.5 7.5 29L11.5 ${n(roof + 1.5)}Q12.3 ${n(roof)} 15 ${n(roof)}H${n(front - 2)}` +
      `Q${n(front)} ${n(roof)} ${n(front + 2)} ${n(roof + 1.7)}L46.5 31L54 33.2Q58 34.6 58 38.5V46Q58 47.5 56.5 47.5H8.5Q6.5 47.5 6.5 45Z`,
    glass: [
      `M11.8 ${belt}L15 ${n(roof + 2.6)}H25.5V${belt}Z`,
      `M27.5 ${belt}V${n(roof + 2.6)}H${n(front - 0.8)}L43.2 ${belt}Z`,
    ],
    lines: ['M26.5 32V45', 'M29.5 36h3'],
    wheels: [17, 47],
    radius: 6.4,
    lights: { y: 35.6, nose: 58, tail: 6.5 },
  };
}

/** One dome from bumper to bumper. */
function beetle(random: Uniform): Body {
  const roof = 17.5 + 2 * random();
  const belt = 31;
  return {
    shell: `M5.5 45Q4.5 36 9.5 33Q13 ${n(roof)} 27.5 ${n(roof)}Q39.5 ${n(roof)} 44.5 31.5Q58.5 31.5 59 42V46Q59 47.5 57.5 47.5H8Q5.8 47.5 5.5 45Z`,
    glass: [
      `M14.8 ${belt}Q17 ${n(roof + 3.4)} 26 ${n(roof + 3)}V${belt}Z`,
      `M28 ${belt}V${n(roof + 3)}Q36.6 ${n(roof + 3.4)} 40.6 ${belt}Z`,
    ],
    lines: ['M27 32V45', 'M30 35.5h3'],
    wheels: [16, 48],
    radius: 6.8,
    lights: { y: 36.6, nose: 58.6, tail: 5.6 },
  };
}

/** A tall box with a slanted nose. */
function van(random: Uniform): Body {
  const roof = 14.5 + 2.5 * random();
  const front = 42 + 3 * random();
  const belt = 29;
  const cargo = random() < 0.5;
  const pane = (x: number, width: number) =>
    `M${n(x)} ${belt}V${n(roof + 3.4)}H${n(x + width)}V${belt}Z`;
  return {
    shell:
      `M4 45V${n(roof + 3)}Q4 ${n(roof)} 7 ${n(roof)}H${n(front - 2)}Q${n(front)} ${n(roof)} ${n(front + 1.6)} ${n(roof + 1.8)}` +
      `L51.5 29.5L57 32Q60 33.4 60 37V46Q60 47.5 58.5 47.5H6Q4 47.5 4 45Z`,
    glass: [
      ...(cargo ? [] : [pane(7.5, 10.5), pane(20, 10.5)]),
      `M32.5 ${belt}V${n(roof + 3.4)}H${n(front - 0.6)}L48.6 ${belt}Z`,
    ],
    lines: ['M31.2 19V45', 'M34 34h3', ...(cargo ? [] : ['M19 32V45'])],
    wheels: [15.5, 48.5],
    radius: 6.2,
    lights: { y: 35.4, nose: 60, tail: 4 },
  };
}

/** A cab in front of an open bed. */
function pickup(random: Uniform): Body {
  const roof = 19 + 2 * random();
  const cab = 25 + 3 * random();
  const belt = 30.5;
  return {
    shell:
      `M3 45.5V32.5Q3 31 4.5 31H${n(cab - 1)}L${n(cab)} ${n(roof + 2)}Q${n(cab + 0.3)} ${n(roof)} ${n(cab + 2.5)} ${n(roof)}` +
      `H40.5Q42.5 ${n(roof)} 43.6 ${n(roof + 1.6)}L48.6 30.5L57 31.6Q61 32.4 61 36.5V46Q61 47.5 59.5 47.5H4.8Q3 47.5 3 45.5Z`,
    glass: [`M${n(cab + 2.3)} ${belt}V${n(roof + 2.8)}H40.4L45.4 ${belt}Z`],
    lines: [`M${n(cab - 1)} 31V45`, 'M4 34.4H24', `M${n(cab + 4)} 35h3`, `M${n(cab + 14)} 31V45`],
    wheels: [14, 49],
    radius: 7,
    lights: { y: 35.2, nose: 61, tail: 3 },
  };
}

/** A square off-road car. */
function jeep(random: Uniform): Body {
  const roof = 16.5 + 2 * random();
  const belt = 29.5;
  const front = 41 + 2 * random();
  return {
    shell:
      `M6 45V${n(roof + 2)}Q6 ${n(roof)} 8 ${n(roof)}H${n(front - 1)}Q${n(front)} ${n(roof)} ${n(front + 0.6)} ${n(roof + 1.4)}` +
      `L45.6 29.6H57Q59.5 29.6 59.5 32V46Q59.5 47.5 58 47.5H8Q6 47.5 6 45Z`,
    glass: [
      `M9 ${belt}V${n(roof + 3)}H19.4V${belt}Z`,
      `M21.4 ${belt}V${n(roof + 3)}H30.6V${belt}Z`,
      `M32.6 ${belt}V${n(roof + 3)}H${n(front - 1.4)}L42.6 ${belt}Z`,
    ],
    lines: ['M31.6 31V45', 'M34 34.5h3', 'M20.4 31V40'],
    wheels: [16.5, 48.5],
    radius: 7.4,
    lights: { y: 33.6, nose: 59.5, tail: 6 },
  };
}

/** A long box full of windows, with a stripe. */
function bus(random: Uniform): Body {
  const roof = 11.5 + 2 * random();
  const belt = 27.5;
  const pane = (x: number) => `M${n(x)} ${belt}V${n(roof + 4)}H${n(x + 8.6)}V${belt}Z`;
  return {
    shell: `M2.5 45V${n(roof + 3)}Q2.5 ${n(roof)} 5.5 ${n(roof)}H57Q60.4 ${n(roof)} 60.8 ${n(roof + 3)}L61.5 31V46Q61.5 47.5 60 47.5H4.5Q2.5 47.5 2.5 45Z`,
    glass: [
      ...[5.5, 16.3, 27.1, 37.9].map(pane),
      `M49 ${belt + 3}V${n(roof + 4)}H58.6L59.4 ${belt + 3}Z`,
    ],
    panels: ['M0 35H64V39.5H0Z'],
    lines: ['M48 31V45'],
    wheels: [14, 47],
    radius: 5.6,
    lights: { y: 40.5, nose: 61.5, tail: 2.5 },
  };
}

/** A cab and a box of another colour. */
function lorry(random: Uniform): Body {
  const box = 11 + 2.5 * random();
  const roof = 18.5 + 2 * random();
  return {
    shell:
      `M2.5 45V${n(box + 1.5)}Q2.5 ${n(box)} 4 ${n(box)}H38Q39.5 ${n(box)} 39.5 ${n(box + 1.5)}V${n(roof)}H51Q53 ${n(roof)} 53.8 ${n(roof + 1.6)}` +
      'L57.6 30L60 31.6Q61.5 32.4 61.5 35V46Q61.5 47.5 60 47.5H4.5Q2.5 47.5 2.5 45Z',
    glass: [`M43.4 30V${n(roof + 2.8)}H51L54.6 30Z`],
    panels: ['M0 0H39.5V42H0Z'],
    lines: [`M39.5 ${n(roof)}V46`, 'M14 14V40', 'M26 14V40', 'M44 34.5h3'],
    wheels: [11, 22.5, 51],
    radius: 5.8,
    lights: { y: 36.6, nose: 61.5, tail: 2.5 },
  };
}

/** The body of one car, of a random kind and with random proportions. */
export function drawBody(random: Uniform): Body {
  return pick(random, BODIES)(random);
}

/** The name of the kind that `drawBody` would pick with the same random numbers. */
export const pickBodyName = (random: Uniform): string => pick(random, BODIES).name;

const BODIES: readonly ((random: Uniform) => Body)[] = [
  sedan,
  sedan,
  hatchback,
  beetle,
  van,
  pickup,
  jeep,
  bus,
  lorry,
];

/** A random element. */
export const pick = <T>(random: Uniform, list: readonly T[]): T =>
  list[Math.floor(random() * list.length)] as T;

/** A number short enough for a path. */
export const n = (x: number): string => x.toFixed(2);

/** The kinds, in the order of their labels. */
export const BODY_NAMES: readonly string[] = [...new Set(BODIES.map(({ name }) => name))].sort();
