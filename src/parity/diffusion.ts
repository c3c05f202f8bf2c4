import { UsageError } from '../errors.js';
import { elements } from '../network/state.js';
import { Comparison, type Group } from './compare.js';
import { type Fixture, toChannelsLast } from './fixture.js';
import {
  architecture,
  channelsFirst,
  channelsLast,
  type Images,
  imagesOf,
  TIMESTEPS,
  timesteps,
} from './images.js';
import type { Subject } from './subject.js';
import { constant, NOISING, TRAJECTORY } from './tolerances.js';

/** x_t from the fixture's x_0, t and noise. */
export async function compareNoising(fixture: Fixture, subject: Subject): Promise<Group | null> {
  const images = imagesOf(fixture, 'x0');
  const xt = await qSample(fixture, subject, images);
  const expected = fixture.shaped('xt', images.shape).data;
  const comparison = new Comparison('xt');
  comparison.add('xt', images.shape, xt, expected, constant(NOISING));
  return comparison.result();
}

/** x_t as computed by the subject, [batch, channel, height, width]. */
async function qSample(fixture: Fixture, subject: Subject, images: Images): Promise<Float32Array> {
  const x0 = channelsLast(fixture, 'x0', images);
  const t = timesteps(fixture, images);
  return channelsFirst(
    await subject.qSample(x0, t, channelsLast(fixture, 'noise', images)),
    images,
  );
}

/** Ancestral steps at the fixture's timesteps, from its first images and with its noise. */
export async function compareTrajectory(fixture: Fixture, subject: Subject): Promise<Group | null> {
  const name = 'sample/trajectory';
  const { data: expected, shape } = fixture.f32(name, 5);
  const [moments, batch, channels, size] = shape as [number, number, number, number, number];
  const ts = fixture.timesteps('sample/t', TIMESTEPS);
  if (moments !== ts.length + 1 || shape[4] !== size)
    throw new UsageError(
      `${fixture.path}: ${name}: expected ${ts.length + 1} moments of square images, got [${shape.join(', ')}]`,
    );
  const images: Images = { shape: shape.slice(1), batch, channels, size };
  const noise = fixture.shaped('sample/noise', [ts.length, ...images.shape]).data;
  const length = elements(images.shape);
  const moment = (data: Float32Array, i: number) =>
    toChannelsLast(data.slice(i * length, (i + 1) * length), channels, size * size);
  const got = new Float32Array(expected.length);
  const net = architecture(fixture, images);
  const unet = await subject.unet({
    architecture: net,
    size,
    batch,
    timesteps: TIMESTEPS,
    training: false,
  });
  try {
    await unet.importState(fixture.below('state0'));
    let x = moment(expected, 0);
    got.set(channelsFirst(x, images), 0);
    for (const [i, t] of ts.entries()) {
      const epsilon = await unet.predict({ xt: x, t: new Int32Array(batch).fill(t) }, 'running');
      x = await subject.pSample(x, epsilon, t, moment(noise, i));
      got.set(channelsFirst(x, images), (i + 1) * length);
    }
  } finally {
    await unet.dispose();
  }
  const comparison = new Comparison(name);
  comparison.add(name, shape, got, expected, constant(TRAJECTORY));
  return comparison.result();
}
