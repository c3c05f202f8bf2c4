import { readSafetensors } from '../../src/io/safetensors.js';
import { fixturePath } from './cli.js';

/** The float tensors of a file of test/fixtures/evaluation. */
export async function evaluationFixture(name: string) {
  const { tensors } = await readSafetensors(fixturePath(`evaluation/${name}.safetensors`));
  return {
    names: [...tensors.keys()],
    shape: (tensor: string) => tensors.get(tensor)!.shape,
    floats: (tensor: string): Float32Array => {
      const { data } = tensors.get(tensor)!;
      if (data instanceof Float32Array) return data;
      throw new TypeError(`${tensor} holds no floats`);
    },
    bytes: (tensor: string): Uint8Array => Uint8Array.from(tensors.get(tensor)!.data, Number),
  };
}

/** Rows of features by name. */
export async function featureFixture() {
  const fixture = await evaluationFixture('features');
  const rows = (name: string) => {
    const [count, features] = fixture.shape(name) as [number, number];
    return { count, features, data: fixture.floats(name) };
  };
  return { rows, expected: (pair: string) => fixture.floats(pair) };
}
