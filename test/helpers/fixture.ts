import { readFileSync } from 'node:fs';

/** The f32 tensors of a file in test/fixtures, by name: just enough safetensors for files we trust. */
export function fixture(name: string): Map<string, Float32Array> {
  const url = new URL(`../../../test/fixtures/${name}.safetensors`, import.meta.url);
  const file = readFileSync(url);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, start)) as Record<
    string,
    { dtype?: string; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, Float32Array>();
  for (const [key, { dtype, data_offsets: range }] of Object.entries(header))
    if (dtype === 'F32')
      tensors.set(
        key,
        new Float32Array(new Uint8Array(file.subarray(start + range[0], start + range[1])).buffer),
      );
  return tensors;
}
