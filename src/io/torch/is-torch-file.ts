/** Detects the format of a file of weights from its first bytes. */

/** Whether a file's first 8 bytes are those of a zip or a pickle: the two formats of `torch.save`. */
export const isTorchFile = (start: Uint8Array): boolean =>
  isZip(start) || isPickle(start) || isTextPickle(start);

/** `PK\3\4`, or `PK\5\6` for a zip without entries. */
export const isZip = (start: Uint8Array): boolean =>
  start[0] === 0x50 &&
  start[1] === 0x4b &&
  ((start[2] === 3 && start[3] === 4) || (start[2] === 5 && start[3] === 6));

/** Opcode PROTO, a protocol of 2 to 5, and not followed by the zeros of a safetensors length, or by a frame, whose length has zeros, too. */
const isPickle = (start: Uint8Array): boolean =>
  start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5 && (start[7] !== 0 || isFrame(start));

/** Opcode FRAME and a length above 0. As a safetensors length that would be over 200 MB, which no header has. */
const isFrame = (start: Uint8Array): boolean => start[2] === 0x95 && start[3] !== 0;

/** The magic number as protocols 0 and 1 write it, which begins both formats of `torch.save` before it had the zip. */
const isTextPickle = (start: Uint8Array): boolean =>
  String.fromCharCode(...start.subarray(0, 8)) === 'L1195470';
