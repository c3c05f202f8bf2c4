import type { NetworkInput } from '../../src/contracts/device.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import type { NetworkConfig } from '../../src/network/network.js';
import { networkFromShapes } from '../../src/network/recognise.js';
import type { F32Tensor, StateDict, Tensor } from '../../src/network/state.js';

/** Reference values of one U-Net by PyTorch (bench/peers/make_fixtures.py); images turned to NHWC. */
export interface UnetFixture {
  readonly architecture: NetworkConfig;
  readonly size: number;
  readonly batch: number;
  readonly input: NetworkInput;
  readonly noise: Float32Array;
  /** Weights before, and after one Adam step at lr 1e-3. */
  readonly state0: StateDict;
  readonly state1: StateDict;
  readonly gradients: StateDict;
  readonly epsEval: Float32Array;
  readonly epsTrain: Float32Array;
  /** Of five steps on the same batch. */
  readonly losses: Float32Array;
  readonly sample: {
    readonly t: readonly number[];
    /** One array a step. */
    readonly noise: readonly Float32Array[];
    readonly trajectory: readonly Float32Array[];
  };
}

export const UNET_FIXTURES = ['unet_rgb_16', 'unet_grey_32', 'unet_odd_widths_8'];

export async function readUnetFixture(name: string): Promise<UnetFixture> {
  const url = new URL(`../../../test/fixtures/${name}.safetensors`, import.meta.url);
  const { tensors } = await readSafetensors(url.pathname);
  const tensor = (key: string) => tensors.get(key)!;
  const group = (prefix: string) =>
    new Map(
      [...tensors]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, value]): [string, Tensor] => [key.slice(prefix.length), value]),
    );
  const state0 = group('state0/');
  const xt = tensor('xt') as F32Tensor;
  const image = (key: string) => toNhwc(tensor(key) as F32Tensor);
  return {
    architecture: networkFromShapes(new Map([...state0].map(([k, v]) => [k, v.shape]))),
    size: xt.shape[3]!,
    batch: xt.shape[0]!,
    input: { xt: toNhwc(xt), t: Int32Array.from(tensor('t').data, Number) },
    noise: image('noise'),
    state0,
    state1: group('state1/'),
    gradients: group('grad/'),
    epsEval: image('eps_eval'),
    epsTrain: image('eps_train'),
    losses: (tensor('losses') as F32Tensor).data,
    sample: {
      t: Array.from(tensor('sample/t').data, Number),
      noise: steps(tensor('sample/noise') as F32Tensor),
      trajectory: steps(tensor('sample/trajectory') as F32Tensor),
    },
  };
}

/** [batch, channel, height, width] to [batch, height, width, channel]. */
function toNhwc({ shape, data }: F32Tensor): Float32Array {
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const pixels = height * width;
  const out = new Float32Array(data.length);
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++)
      for (let p = 0; p < pixels; p++)
        out[(n * pixels + p) * channels + c] = data[(n * channels + c) * pixels + p]!;
  return out;
}

/** The images of a 5-dimensional tensor, one for each index of its first dimension. */
function steps({ shape, data }: F32Tensor): Float32Array[] {
  const [count, ...rest] = shape;
  const length = data.length / count!;
  return Array.from({ length: count! }, (_, i) =>
    toNhwc({
      dtype: 'F32',
      shape: rest,
      data: data.subarray(i * length, (i + 1) * length),
    }),
  );
}
