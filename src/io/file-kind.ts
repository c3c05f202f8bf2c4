/**
 * Detects a file's kind from its first bytes, whatever its name: to give decoders only what they are meant for, and to
 * give helpful reasons if a file is not what was expected.
 */
import { isUtf8 } from 'node:buffer';

/** Pictures that can be decoded. */
export type PictureKind = 'jpeg' | 'png' | 'gif' | 'webp' | 'tiff' | 'avif';

/** Other files that are often given by mistake, with the text for each after "it is" or "got". */
const OTHERS = {
  heic: 'a HEIC photograph, which is not supported here; convert it to JPEG first, such as by heif-convert IN.heic OUT.jpg, magick IN.heic OUT.jpg or, on macOS, sips -s format jpeg IN.heic --out OUT.jpg',
  jxl: 'a JPEG XL picture, which is not supported here; convert it to PNG first',
  jp2: 'a JPEG 2000 picture, which is not supported here; convert it to PNG first',
  bmp: 'a BMP picture, which is not supported here; convert it to PNG first',
  psd: 'a Photoshop document; export it as PNG first',
  icon: 'a Windows icon; convert it to PNG first',
  netpbm: 'a PBM, PGM or PPM picture, which is not supported here; convert it to PNG first',
  qoi: 'a QOI picture, which is not supported here; convert it to PNG first',
  exr: 'an OpenEXR picture, which is not supported here; convert it to PNG first',
  video: 'a video; extract its frames as pictures first',
  svg: 'an SVG drawing, which is not rendered here; convert it to PNG first',
  lfs: 'a Git LFS pointer that stands for the file; git lfs pull fetches the file itself',
  html: 'an HTML page, probably from a download that failed or asked for a login; download the file again',
  json: 'JSON text',
  text: 'text',
  zip: 'a zip archive; unpack it first',
  gzip: 'a gzip file; unpack it first',
  tar: 'a tar archive; unpack it first (tar -xf)',
  '7z': 'a 7z archive; unpack it first',
  rar: 'a RAR archive; unpack it first',
  xz: 'an xz file; unpack it first',
  bzip2: 'a bzip2 file; unpack it first',
  zstd: 'a zstd file; unpack it first',
  pdf: 'a PDF document',
  npy: 'a NumPy array (.npy); give the file itself if it holds images',
  hdf5: 'an HDF5 file; save its images as PNG files',
  parquet: 'a Parquet file; save its images as PNG files',
  sqlite: 'a database',
} as const;

const PICTURES: Record<PictureKind, string> = {
  jpeg: 'a JPEG picture',
  png: 'a PNG picture',
  gif: 'a GIF picture',
  webp: 'a WebP picture',
  tiff: 'a TIFF picture',
  avif: 'an AVIF picture',
};

export type FileKind = PictureKind | keyof typeof OTHERS;

/** The text for a file of this kind, after "it is" or "got". */
export const describeKind = (kind: FileKind): string =>
  isPicture(kind) ? PICTURES[kind] : OTHERS[kind];

/** Whether files of this kind can be decoded. */
export const isPicture = (kind: FileKind | undefined): kind is PictureKind =>
  kind !== undefined && Object.hasOwn(PICTURES, kind);

/** Bytes that identify every kind but SVG, which may begin with a long comment. */
export const KIND_BYTES = 1024;

/** The kind of a file from its first bytes (1,024 or more, or all of them); undefined if unknown. */
export function fileKind(head: Uint8Array): FileKind | undefined {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  const found = MAGIC.find(([, magic, at = 0]) => {
    const expected = Buffer.from(magic, 'latin1');
    return bytes.subarray(at, at + expected.length).equals(expected);
  });
  return found?.[0] ?? ofContainer(bytes) ?? textKind(bytes);
}

/** Fixed bytes at a fixed offset. They are as strict as the decoder's own, so that it cannot take a file for another kind. */
const MAGIC: readonly (readonly [FileKind, string, number?])[] = [
  ['jpeg', '\xff\xd8\xff'],
  ['png', '\x89PNG\r\n\x1a\n'],
  ['gif', 'GIF87a'],
  ['gif', 'GIF89a'],
  ['tiff', 'II*\0'],
  ['tiff', 'MM\0*'],
  ['tiff', 'II+\0'],
  ['tiff', 'MM\0+'],
  ['jxl', '\xff\x0a'],
  ['jxl', '\0\0\0\x0cJXL \r\n\x87\n'],
  ['jp2', '\0\0\0\x0cjP  \r\n\x87\n'],
  ['jp2', '\xff\x4f\xff\x51'],
  ['psd', '8BPS'],
  ['icon', '\0\0\x01\0'],
  ['qoi', 'qoif'],
  ['exr', 'v/1\x01'],
  ['video', '\x1a\x45\xdf\xa3'],
  ['zip', 'PK\x03\x04'],
  ['zip', 'PK\x05\x06'],
  ['gzip', '\x1f\x8b'],
  ['tar', 'ustar', 257],
  ['7z', '7z\xbc\xaf\x27\x1c'],
  ['rar', 'Rar!\x1a\x07'],
  ['xz', '\xfd7zXZ\0'],
  ['bzip2', 'BZh'],
  ['zstd', '\x28\xb5\x2f\xfd'],
  ['pdf', '%PDF-'],
  ['npy', '\x93NUMPY'],
  ['hdf5', '\x89HDF\r\n\x1a\n'],
  ['parquet', 'PAR1'],
  ['sqlite', 'SQLite format 3\0'],
];

/** Kinds whose first bytes vary: RIFF, ISO media files by brand, BMP and netpbm. */
function ofContainer(bytes: Buffer): FileKind | undefined {
  const text = (at: number, length: number) => bytes.toString('latin1', at, at + length);
  if (text(0, 4) === 'RIFF') return ({ WEBP: 'webp', 'AVI ': 'video' } as const)[text(8, 4)];
  if (text(4, 4) === 'ftyp') return ofBrands(text(8, Math.min(bytes.readUInt32BE(0), 256) - 8));
  // The two reserved words of a bitmap are zero.
  if (text(0, 2) === 'BM' && bytes.length >= 26 && bytes.readUInt32LE(6) === 0) return 'bmp';
  if (/^P[1-7]\s/.test(text(0, 3)) && /^P[1-7]\s+(#.*\n)?\s*(\d+|WIDTH)/.test(text(0, 200)))
    return 'netpbm';
  return undefined;
}

/** The first brand is the file's own; after a version come those that it is compatible with. */
function ofBrands(brands: string): FileKind {
  const all = brands.match(/[\s\S]{4}/g) ?? [];
  if (all.some((brand) => /^avi[fs]$/.test(brand))) return 'avif';
  return all.some((brand) => /^(he[iv][cmsx]|mif[12]|msf1)$/.test(brand)) ? 'heic' : 'video';
}

function textKind(bytes: Buffer): FileKind | undefined {
  if (!isText(bytes)) return undefined;
  const text = bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trimStart();
  if (/^version https:\/\/(git-lfs\.github\.com|hawser\.github\.com)\//.test(text)) return 'lfs';
  if (/^<(!doctype\s+html|html|head|body)\b/i.test(withoutComments(text))) return 'html';
  if (/<([\w-]+:)?svg[\s>/]/.test(text)) return 'svg';
  if (/^[[{]\s*["{[\]}\d-]/.test(text)) return 'json';
  return 'text';
}

/** A text from its first tag that is not a comment. */
function withoutComments(text: string): string {
  let at = 0;
  while (text.startsWith('<!--', at)) {
    const end = text.indexOf('-->', at + 4);
    if (end < 0) return '';
    at = end + 3;
    while (/\s/.test(text.charAt(at))) at++;
  }
  return text.slice(at);
}

/** Bytes at the end that may be the start of a character. */
const LONGEST_CHARACTER = 4;

/** UTF-8 without control characters, possibly cut off at the end; or UTF-16 with a byte order mark. */
function isText(bytes: Buffer): boolean {
  if (bytes.length === 0) return false;
  if (/^(\xff\xfe|\xfe\xff)/.test(bytes.toString('latin1', 0, 2))) return true;
  for (const byte of bytes) if (byte < 32 && !TEXT_CONTROLS.has(byte)) return false;
  for (let cut = 0; cut < Math.min(LONGEST_CHARACTER, bytes.length); cut++)
    if (isUtf8(bytes.subarray(0, bytes.length - cut))) return true;
  return false;
}

/** Tab, line feed, form feed, carriage return, escape. */
const TEXT_CONTROLS: ReadonlySet<number> = new Set([9, 10, 12, 13, 27]);
