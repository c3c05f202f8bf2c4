import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { refuseOwnInputs } from '../../src/io/own-inputs.js';
import { fixturePath, haze, refuses } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';

test('Nothing that is read is written over: a file, one of a folder of images, or what a link leads to', async (t) => {
  const folder = await temporaryFolder(t);
  const at = (...names: string[]) => join(folder, ...names);
  await mkdir(at('photos'));
  for (const name of ['a.npz', 'photos/00.png', 'other.png']) await writeFile(at(name), '');
  await symlink(at('photos'), at('link'));
  await symlink(at('other.png'), at('photos/01.png'));
  const inputs = [
    { path: at('a.npz'), images: true },
    { path: at('photos'), images: true },
    { path: 'toy-cars', images: true },
  ];
  const write = (path: string) => refuseOwnInputs([{ where: '--nearest', path: at(path) }], inputs);
  for (const path of [
    'a.npz',
    'photos/../a.npz',
    'photos/00.png',
    'link/00.png',
    'photos/01.png',
    'link',
  ])
    await t.throwsAsync(write(path), {
      name: 'UsageError',
      message: /^--nearest: expected another file than those that are read, got /,
    });
  for (const path of ['b.npz', 'photos/page.png', 'other.png', 'photos-2.png'])
    await t.notThrowsAsync(write(path), path);
});

test('The files of a model are no images: a page among them may be written again', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'page.png'), '');
  const output = { where: '--nearest', path: join(folder, 'page.png') };
  await t.notThrowsAsync(refuseOwnInputs([output], [{ path: folder, images: false }]));
});

test('Two outputs of one file are refused', async (t) => {
  const path = join(await temporaryFolder(t), 'a.png');
  const outputs = ['--nearest', '--save-statistics'].map((where) => ({ where, path }));
  await t.throwsAsync(refuseOwnInputs(outputs, []), {
    message: /^--save-statistics: expected another file than that of --nearest, got .*a\.png$/,
  });
});

test('evaluate refuses to write over its own input before anything is computed', async (t) => {
  const folder = await temporaryFolder(t);
  const a = join(folder, 'a.npz');
  await copyFile(fixturePath('evaluation/images.npz'), a);
  await refuses(
    t,
    ['evaluate', a, '--features', fixturePath('evaluation/network.onnx'), '--save-statistics', a],
    /--save-statistics: expected another file than those that are read, got .*a\.npz/,
  );
  await mkdir(join(folder, 'photos'));
  await haze(folder, ['noise', 'toy-cars', '--size', '16', '--out', 'photos/00.png']);
  const page = join(folder, 'photos', '00.png');
  await refuses(
    t,
    ['evaluate', a, '--reference', join(folder, 'photos'), '--nearest', page],
    /--nearest: expected another file than those that are read, got .*00\.png, which belongs to .*photos/,
  );
});
