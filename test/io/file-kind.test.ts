import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { strToU8, zipSync } from 'fflate';
import { describeKind, type FileKind, fileKind, isPicture } from '../../src/io/file-kind.js';
import { fixture, from, slopes } from '../helpers/data.js';
import { tiff } from '../helpers/tiff.js';

const picture = () => from(slopes(12, 10), 12, 10);
const bytes = (text: string) => Buffer.from(text, 'latin1');

test('decodable pictures are recognised by their first bytes', async (t) => {
  const files: [FileKind, Buffer][] = [
    ['jpeg', await picture().jpeg().toBuffer()],
    ['png', await picture().png().toBuffer()],
    ['gif', await picture().gif().toBuffer()],
    ['webp', await picture().webp().toBuffer()],
    ['tiff', await picture().tiff().toBuffer()],
    ['tiff', await picture().tiff({ bigtiff: true }).toBuffer()],
    ['tiff', tiff({ width: 1, height: 1, photometric: 1, samples: Uint8Array.of(7) })],
    ['avif', await picture().avif().toBuffer()],
  ];
  for (const [kind, file] of files) {
    t.is(fileKind(file), kind);
    t.true(isPicture(kind));
  }
});

test('other kinds of files are recognised', async (t) => {
  const files: [FileKind | undefined, Buffer][] = [
    ['heic', await readFile(fixture('photo.heic'))],
    ['video', bytes('\0\0\0\x18ftypmp42\0\0\0\0mp42isom')],
    ['video', bytes('RIFF\x10\0\0\0AVI LIST')],
    ['video', bytes('\x1a\x45\xdf\xa3\x01\0')],
    ['jxl', bytes('\xff\x0a\x01')],
    ['jxl', bytes('\0\0\0\x0cJXL \r\n\x87\n')],
    ['jp2', bytes('\0\0\0\x0cjP  \r\n\x87\n')],
    ['jp2', bytes('\xff\x4f\xff\x51\0')],
    ['psd', bytes('8BPS\0\x01')],
    ['icon', bytes('\0\0\x01\0\x01\0')],
    ['qoi', bytes('qoif\0\0\0\x01')],
    ['exr', bytes('v/1\x01\x02\0')],
    ['bmp', Buffer.concat([bytes('BM'), Buffer.alloc(60)])],
    ['netpbm', bytes('P6\n2 1\n255\nabcdef')],
    ['netpbm', bytes('P6 # made by hand\n2 1\n255\nabcdef')],
    ['zip', Buffer.from(zipSync({ 'a.png': strToU8('x') }))],
    ['gzip', gzipSync('x')],
    ['tar', Buffer.concat([Buffer.alloc(257), bytes('ustar\x0000')])],
    ['7z', bytes('7z\xbc\xaf\x27\x1c\0\x04')],
    ['rar', bytes('Rar!\x1a\x07\x01\0')],
    ['xz', bytes('\xfd7zXZ\0\0\x04')],
    ['bzip2', bytes('BZh91AY&SY')],
    ['zstd', bytes('\x28\xb5\x2f\xfd\x04')],
    ['npy', bytes('\x93NUMPY\x01\0')],
    ['hdf5', bytes('\x89HDF\r\n\x1a\n\0')],
    ['parquet', bytes('PAR1\x15\x04')],
    ['sqlite', bytes('SQLite format 3\0\x10')],
    ['pdf', bytes('%PDF-1.7')],
    ['lfs', bytes('version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n')],
    ['html', bytes('<!DOCTYPE html>\n<html><body><svg></svg></body></html>')],
    ['html', bytes('<!-- saved -->\n<html>')],
    ['svg', bytes('<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['svg', bytes('\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x --><s:svg xmlns:s="y">')],
    ['json', bytes('{"error": "not found"}')],
    ['text', bytes('no picture')],
    ['text', Buffer.from('Käse, cut off in a character: ä').subarray(0, -1)],
    ['text', bytes('\xff\xfet\0e\0x\0t\0')],
    [undefined, bytes('\x01\x02\x03\x04 not known')],
    [undefined, Buffer.alloc(0)],
    [undefined, Buffer.from([0x80])],
  ];
  for (const [kind, file] of files) {
    t.is(fileKind(file), kind, file.toString('latin1', 0, 30));
    t.false(isPicture(fileKind(file)));
    if (kind) t.regex(describeKind(kind), /^(a|an|text|JSON) ?/);
  }
});

test('any bytes give a kind, or none', (t) => {
  t.is(fileKind(bytes('<!-- --> <!---->'.repeat(5000))), 'text');
  for (const start of [
    '',
    'RIFF',
    '\0\0\0\x18ftyp',
    '\xff\xff\xff\xffftypavif',
    'BM',
    'P6',
    '\x89',
  ])
    for (let length = 0; length < 40; length++)
      t.notThrows(() => fileKind(bytes(start + '\x07'.repeat(length))));
});
