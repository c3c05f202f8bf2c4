import { UsageError } from '../errors.js';
import { checkSize, type NetworkConfig } from '../network/network.js';
import { networkFromShapes } from '../network/recognise.js';

import { type Fixture, toChannelsFirst, toChannelsLast } from './fixture.js';

/** T of the fixtures. */
export const TIMESTEPS = 300;

/** Shape of the images of a fixture's tensor [batch, channel, side, side]. */
export interface Images {
  readonly shape: readonly number[];
  readonly batch: number;
  readonly channels: number;
  readonly size: number;
}

export function imagesOf(fixture: Fixture, name: string): Images {
  const { shape } = fixture.f32(name, 4);
  const [batch, channels, size, width] = shape as [number, number, number, number];
  if (batch < 1 || size !== width)
    throw new UsageError(
      `${fixture.path}: ${name}: expected square images, got [${shape.join(', ')}]`,
    );
  return { shape, batch, channels, size };
}

export function timesteps(fixture: Fixture, { batch }: Images): Int32Array {
  const t = fixture.timesteps('t', TIMESTEPS);
  if (t.length !== batch)
    throw new UsageError(`${fixture.path}: t: expected ${batch} timesteps, got ${t.length}`);
  return t;
}

export const channelsLast = (fixture: Fixture, name: string, { shape, channels, size }: Images) =>
  toChannelsLast(fixture.shaped(name, shape).data, channels, size * size);

export const channelsFirst = (data: Float32Array, { channels, size }: Images) =>
  toChannelsFirst(data, channels, size * size);

/** The architecture of state0, checked against the images. */
export function architecture(fixture: Fixture, images: Images): NetworkConfig {
  const state = fixture.below('state0');
  let found: NetworkConfig;
  try {
    found = networkFromShapes(new Map([...state].map(([name, { shape }]) => [name, shape])));
    checkSize(found, images.size);
  } catch (error) {
    if (error instanceof UsageError)
      throw new UsageError(`${fixture.path}: state0: ${error.message}`);
    throw error;
  }
  if (found.channels !== images.channels)
    throw new UsageError(
      `${fixture.path}: expected images of ${found.channels} channels, got ${images.channels}`,
    );
  return found;
}
