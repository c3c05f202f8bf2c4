/** Safetensors files as bytes, put together without our own writer. */

/** A file of the given header text, with as many bytes of data (0, 1, 2, …). */
export function file(header: string, dataBytes: number): Buffer {
  const json = Buffer.from(header);
  const bytes = Buffer.alloc(8 + json.length + dataBytes);
  bytes.writeBigUInt64LE(BigInt(json.length));
  json.copy(bytes, 8);
  for (let i = 0; i < dataBytes; i++) bytes[8 + json.length + i] = i;
  return bytes;
}

/** What Python's safetensors 0.8 `save_file({'w': arange(3)/2 f32, 'n': int64 [7], 'bü': f32 scalar −1}, metadata={'format': 'pt'})` writes. */
export const FROM_PYTHON = Buffer.concat([
  file(
    '{"__metadata__":{"format":"pt"},"n":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},' +
      '"bü":{"dtype":"F32","shape":[],"data_offsets":[8,12]},' +
      '"w":{"dtype":"F32","shape":[3],"data_offsets":[12,24]}}     ',
    0,
  ),
  Buffer.from('0700000000000000' + '000080bf' + '000000000000003f0000803f', 'hex'),
]);
