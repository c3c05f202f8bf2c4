import { DEEP_BLOCK, DEEP_POINT, QUAD_PADDING, SANDWICH_SCRATCH } from '../constants';
import { F32 } from '../f32';
import { accumulateRows } from './accumulate';
import { Eights, RowsByEight } from './layouts';
import { multiplyQuads } from './multiply';
import { sandwich } from './sandwich';
import { Taps } from './weights';

/*
 * Layers with many channels and few tiles: their transformed weights would be many times larger than everything else
 * (36 MB of taps become 151 MB), and moving them would take longer than the products. Here a block of them is transformed,
 * used, and dropped in the cache of one worker. The sums are those of `multiply` and `accumulate`, in their order.
 */

/** In the type used for counts here. */
const BLOCK: usize = DEEP_BLOCK;
const POINT: usize = DEEP_POINT;

/**
 * `toWeightTiles` and `multiply` fused. Items: groups of `group` panels (1 or 2; of one phase if the output has
 * phases), which share each read of V: it is the larger part of the data that are read.
 * m: [phase][point][tiles/4][panels][4][8], v: [phase][point][tiles/4][k/8][4][8], w: [panels][taps][channels][8]
 * @param k input channels: g.channels, or four times as many if phases are stacked
 * @param panels panels of w, each with all of its phases; a multiple of `group`
 * @param scratch f32[DEEP_SCRATCH], the caller's own
 */
export function multiplyDeep<P>(
  m: F32,
  v: F32,
  w: F32,
  g: Taps,
  k: usize,
  panels: usize,
  quads: usize,
  group: usize,
  mPlane: usize,
  vPlane: usize,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const p = changetype<P>(0);
  const points = p.outputs * p.outputs;
  const channels = <usize>g.channels;
  const tap = channels * 8;
  const tapRow = <usize>g.row * tap;
  const tapColumn = <usize>g.column * tap;
  const groups = panels / group;
  const aStep: usize = 16 * k + 4 * QUAD_PADDING;
  const u = scratch.at(SANDWICH_SCRATCH);
  for (let item = begin; item < end; item++) {
    const first = (item % groups) * group;
    const plane = (item / groups) * points;
    for (let row: usize = 0; row < k; ) {
      const phase = item / groups + row / channels;
      const ci = row % channels;
      const size = min(BLOCK, channels - ci);
      const corner = g.first + (<i32>phase >> 1) * g.phaseRow + (<i32>phase & 1) * g.phaseColumn;
      for (let j: usize = 0; j < group; j++) {
        const from = w.at(((first + j) * g.taps + corner) * tap + ci * 8);
        const to = u.at(j * 36 * POINT);
        for (let c: usize = 0; c < 8 * size; c += 4) {
          const at = from.at(c);
          sandwich<P>(to.at(c), p.outputs * POINT, POINT, at, tapRow, tapColumn, scratch);
        }
      }
      for (let point: usize = 0; point < points; point++) {
        for (let j: usize = 0; j < group; j++) {
          const b = changetype<usize>(u.at((j * 36 + point) * POINT));
          const a = changetype<usize>(v.at((plane + point) * vPlane + 4 * row));
          const c = m.at((plane + point) * mPlane + (first + j) * 32);
          multiplyQuads<Eights>(c, 32 * panels, a, aStep, b, size, 96, quads, <i32>row);
        }
      }
      row += size;
    }
  }
}

/**
 * `accumulate` over all tiles, and `fromWeightTiles`, fused. Items: blocks of 64 rows x panels, the panel fastest, so that
 * a block of V stays in the cache.
 * dw: [panels of one phase][taps][channels][8], v: [point][rows/8][room][8], d: [point][panels][room][8]
 * @param rows g.channels, or four times as many if V has the phases
 * @param panels those of all phases if D has them
 * @param room capacity in tiles, of which `tiles` are used
 * @param scratch f32[DEEP_SCRATCH], the caller's own
 */
export function gradientDeep<P>(
  dw: F32,
  v: F32,
  d: F32,
  g: Taps,
  rows: usize,
  panels: usize,
  room: usize,
  tiles: usize,
  vPlane: usize,
  dPlane: usize,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const p = changetype<P>(0);
  const points = p.inputs * p.inputs;
  const channels = <usize>g.channels;
  const tap = channels * 8;
  const tapRow = <usize>g.row * tap;
  const tapColumn = <usize>g.column * tap;
  const blocks = (channels + BLOCK - 1) / BLOCK;
  const phasePanels = (panels * rows) / (channels * g.phases);
  const u = scratch.at(SANDWICH_SCRATCH);
  for (let item = begin; item < end; item++) {
    const panel = item % panels;
    const block = (item / panels) % blocks;
    const rowPhase = item / (panels * blocks);
    const ci = block * BLOCK;
    const size = min(BLOCK, channels - ci);
    for (let point: usize = 0; point < points; point++) {
      const b = changetype<usize>(d.at(point * dPlane + panel * room * 8));
      const a = changetype<usize>(v.at(point * vPlane + (rowPhase * channels + ci) * room));
      accumulateRows<RowsByEight>(u.at(point * POINT), a, 32 * room, b, tiles, size, 0);
    }
    const phase = <i32>(rowPhase + panel / phasePanels);
    const corner = g.first + (phase >> 1) * g.phaseRow + (phase & 1) * g.phaseColumn;
    const to = dw.at(((panel % phasePanels) * g.taps + corner) * tap + ci * 8);
    for (let c: usize = 0; c < 8 * size; c += 4) {
      const at = to.at(c);
      sandwich<P>(at, tapRow, tapColumn, u.at(c), p.inputs * POINT, POINT, scratch);
    }
  }
}
