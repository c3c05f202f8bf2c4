/**
 * A network as data: layers with parameters, and nodes that describe the computation, in execution order. Static
 * shapes, no device and no Node: parameters, costs, memory plans, gradients and both devices are loops over it.
 */

/**
 * The result of a node: images f32 [batch, side, side, channels], or with side 0 vectors [batch, channels].
 * `parts` are the channels of the tensors that it concatenates, or one number.
 */
export interface Value {
  readonly id: number;
  readonly side: number;
  readonly channels: number;
  readonly parts: readonly number[];
}

/** Pixels of padding before and after, in both dimensions. */
export type Padding = readonly [before: number, after: number];

export interface ConvLayer {
  readonly kind: 'conv' | 'convTranspose';
  /** state_dict prefix, e.g. `downs.0.conv1`. */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: Padding;
  /** Whether it adds a bias. */
  readonly bias: boolean;
}

/** y = x·Wᵀ + b for a vector, or for each pixel. */
export interface LinearLayer {
  readonly kind: 'linear';
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  /** Of a layer that reads patches: files have its weight as that of a convolution of patch x patch pixels. */
  readonly patch?: number;
}

/** A vector per class. */
export interface EmbeddingLayer {
  readonly kind: 'embedding';
  readonly name: string;
  readonly classes: number;
  readonly outputs: number;
}

/** Batch normalisation (Ioffe & Szegedy, 2015), with running statistics. */
export interface BatchNormLayer {
  readonly kind: 'batchNorm';
  readonly name: string;
  readonly outputs: number;
  readonly eps: number;
}

/** Group normalisation (Wu & He, 2018), separate for each image. */
export interface GroupNormLayer {
  readonly kind: 'groupNorm';
  readonly name: string;
  readonly outputs: number;
  readonly groups: number;
  readonly eps: number;
}

export type NormLayer = BatchNormLayer | GroupNormLayer;
export type Layer = ConvLayer | LinearLayer | EmbeddingLayer | NormLayer;

/** One operation: reads values and a layer's parameters, and computes `out`. */
export type Node =
  /** x_t. */
  | { readonly op: 'image'; readonly out: Value }
  /**
   * Sinusoids of the timestep or label, a real number p: with ω_i = exp(−i·ln(10000)/(half − shift)), half = channels/2,
   * sin(p·ω_i) and cos(p·ω_i) in this order (Vaswani et al., 2017, section 3.5). `divide`: whether ln(10000) is divided
   * before it is multiplied by i or after, which rounds differently in f32.
   */
  | {
      readonly op: 'sinusoid';
      readonly of: 'time' | 'label';
      readonly order: 'sin-cos' | 'cos-sin';
      readonly shift: number;
      readonly divide: 'before' | 'after';
      readonly out: Value;
    }
  /** The row of the label. */
  | { readonly op: 'embedding'; readonly layer: EmbeddingLayer; readonly out: Value }
  | { readonly op: 'conv'; readonly layer: ConvLayer; readonly x: Value; readonly out: Value }
  | { readonly op: 'linear'; readonly layer: LinearLayer; readonly x: Value; readonly out: Value }
  | { readonly op: 'norm'; readonly layer: NormLayer; readonly x: Value; readonly out: Value }
  | {
      readonly op: 'activation';
      /** `gelu` is its approximation by tanh: x·σ(2u), u = √(2/π)·(x + 0.044715·x³) (Hendrycks & Gimpel, 2016). */
      readonly kind: 'relu' | 'silu' | 'gelu';
      readonly x: Value;
      readonly out: Value;
    }
  /** (a + b)/divisor; b may be a vector, which is added to every pixel. */
  | {
      readonly op: 'add';
      readonly a: Value;
      readonly b: Value;
      readonly divisor: number;
      readonly out: Value;
    }
  /** x·(1 + scale) + shift, where `by` is the vector [scale | shift]: Dhariwal & Nichol (2021), section 3. */
  | { readonly op: 'film'; readonly x: Value; readonly by: Value; readonly out: Value }
  /**
   * Adaptive layer norm (Peebles & Xie, 2023, section 3.2): x̂·(1 + scale) + shift, with x̂ = (x − mean)/√(variance + eps) over the
   * channels of each pixel. `by` is a vector whose parts `shift` and `scale`, counted from 0, have the channels of x.
   */
  | {
      readonly op: 'adaNorm';
      readonly eps: number;
      readonly x: Value;
      readonly by: Value;
      readonly shift: number;
      readonly scale: number;
      readonly out: Value;
    }
  /** a + x·gate: a residual whose branch is scaled by a part of the vector `by`, for every pixel. */
  | {
      readonly op: 'gate';
      readonly a: Value;
      readonly x: Value;
      readonly by: Value;
      readonly gate: number;
      readonly out: Value;
    }
  /** Patches of size x size pixels, as channels: pixel (y, x) of channel c becomes channel c·size² + y·size + x. */
  | { readonly op: 'patches'; readonly size: number; readonly x: Value; readonly out: Value }
  /** Pixels of patches: channel (y·size + x)·channels + c becomes pixel (y, x) of channel c. */
  | { readonly op: 'pixels'; readonly size: number; readonly x: Value; readonly out: Value }
  /** x + sinusoids of each pixel's coordinates, in an image of `base` pixels a side: see `positions.ts`. */
  | { readonly op: 'positions'; readonly base: number; readonly x: Value; readonly out: Value }
  /** x·factor + offset. */
  | {
      readonly op: 'scale';
      readonly x: Value;
      readonly factor: number;
      readonly offset: number;
      readonly out: Value;
    }
  | { readonly op: 'concat'; readonly a: Value; readonly b: Value; readonly out: Value }
  /** Nearest upsampling by two in both directions. */
  | { readonly op: 'upsample'; readonly x: Value; readonly out: Value }
  /** Means of 2x2 pixels. */
  | { readonly op: 'downsample'; readonly x: Value; readonly out: Value }
  /** In training each value is 0 with probability `rate`, else divided by 1 − rate; `index` numbers the network's dropouts. */
  | {
      readonly op: 'dropout';
      readonly rate: number;
      readonly index: number;
      readonly x: Value;
      readonly out: Value;
    }
  /** softmax(q·kᵀ/√headDim)·v over all pixels of an image; head h has the channels [h·headDim, (h + 1)·headDim). */
  | {
      readonly op: 'attention';
      /** Its block, e.g. `mid_block.attentions.0`. */
      readonly name: string;
      readonly q: Value;
      readonly k: Value;
      readonly v: Value;
      readonly heads: number;
      readonly headDim: number;
      readonly out: Value;
    };

export type Op = Node['op'];
export type NodeOf<O extends Op> = Extract<Node, { op: O }>;

/** A network for images of one size. */
export interface Graph {
  /** Size of the images, x_t. */
  readonly size: number;
  /** Their channels. */
  readonly channels: number;
  /** In the order of PyTorch's `state_dict()`. */
  readonly layers: readonly Layer[];
  /** In execution order. */
  readonly nodes: readonly Node[];
  /** The prediction: ε̂, or by another objective, with the shape of x_t. An autoencoder's halves have outputs of another shape. */
  readonly output: Value;
  /** Whether a node reads the label. */
  readonly labelled: boolean;
}

/** The values that a node reads. */
export function inputsOf(node: Node): readonly Value[] {
  switch (node.op) {
    case 'image':
    case 'sinusoid':
    case 'embedding':
      return [];
    case 'add':
    case 'concat':
      return [node.a, node.b];
    case 'film':
    case 'adaNorm':
      return [node.x, node.by];
    case 'gate':
      return [node.a, node.x, node.by];
    case 'attention':
      return [node.q, node.k, node.v];
    default:
      return [node.x];
  }
}

/** Values of one image, as a network reads it and as it writes it. */
export const inputValues = ({ size, channels }: Graph): number => size ** 2 * channels;
export const outputValues = ({ output }: Graph): number => output.side ** 2 * output.channels;
