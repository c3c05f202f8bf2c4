import type { Architecture } from '../../unet/architecture.js';

/** What a U-Net's memory is planned for. */
export interface UnetShape {
  readonly architecture: Architecture;
  /** Side of the square images. */
  readonly size: number;
  readonly batch: number;
  /** Rows of the time-embedding table: timesteps of the schedule. */
  readonly timesteps: number;
  /** Whether gradients and Adam's moments are kept. */
  readonly training: boolean;
}
