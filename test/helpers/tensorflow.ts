import test from 'ava';
import { findInstall } from '../../src/tensorflow/locate.js';
import { needing } from './needing.js';

/** Why tests that need libtensorflow do not run here; undefined where they do. */
export const withoutTensorflow: string | undefined = process.env.HAZE_SKIP_TENSORFLOW
  ? 'HAZE_SKIP_TENSORFLOW is set'
  : findInstall()
    ? undefined
    : 'haze setup tensorflow has not run';

/** A test that needs libtensorflow. */
export const tensorflowTest = needing(withoutTensorflow, test.serial);
