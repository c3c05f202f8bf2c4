/** What a file of weights is, by its first bytes. */

/** Whether a file's first 8 bytes are those of a zip or of a pickle: the two things that `torch.save` writes. */
export const isTorchFile = (start: Uint8Array): boolean => isZip(start) || isPickle(start);

/** `PK\3\4`, or `PK\5\6` of a zip without entries. */
export const isZip = (start: Uint8Array): boolean =>
  start[0] === 0x50 &&
  start[1] === 0x4b &&
  ((start[2] === 3 && start[3] === 4) || (start[2] === 5 && start[3] === 6));

/** Opcode PROTO, a protocol of 2 to 5, and then not the zeros of a safetensors length. */
const isPickle = (start: Uint8Array): boolean =>
  start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5 && start[7] !== 0;
