/*
 * Names of attention layers in diffusers before 0.17, which the official google/ddpm-* files still have. They are read
 * but never written.
 */

const RENAMED: Readonly<Record<string, string>> = {
  query: 'to_q',
  key: 'to_k',
  value: 'to_v',
  proj_attn: 'to_out.0',
};

const OLD = /(\.attentions\.\d+\.)(query|key|value|proj_attn)(?=\.(?:weight|bias)$)/;
const WEIGHT = /\.attentions\.\d+\.(?:to_[qkv]|to_out\.0)\.weight$/;

/** The current name: `mid_block.attentions.0.query.bias` → `mid_block.attentions.0.to_q.bias`. */
export const currentName = (name: string): string =>
  name.replace(OLD, (_, path: string, layer: string) => `${path}${RENAMED[layer]}`);

/** The current shape, by current name: old attention used 1x1 convolutions, whose values have the same layout. */
export const currentShape = (name: string, shape: readonly number[]): readonly number[] =>
  WEIGHT.test(name) && shape.length === 4 && shape[2] === 1 && shape[3] === 1
    ? shape.slice(0, 2)
    : shape;
