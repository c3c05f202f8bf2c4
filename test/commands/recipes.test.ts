import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { writeBars } from '../helpers/run.js';

const SMALL = ['--size', '16', '--widths', '8,16', '--batch', '4', '--threads', '1'];

test("every command and the sample grids use the recipe's sampling settings", async (t) => {
  const folder = await temporaryFolder(t);
  writeBars(folder);
  const run = async (...words: string[]) => {
    const { code, stdout, stderr } = await haze(folder, words);
    t.is(code, 0, stderr);
    return stdout + stderr;
  };
  const length = ['--steps', '2', '--sample-every', '2'];
  const trained = await run('train', 'bars.idx', '--preset', 'sprites-28', ...SMALL, ...length);
  t.notRegex(trained, /^preset/m);
  t.true((await stat(join(folder, 'runs', '1', 'samples', 'step-2.png'))).isFile());
  const config = JSON.parse(await readFile(join(folder, 'runs', '1', 'config.json'), 'utf8'));
  t.like(config.sampling, { sampler: 'ddim', steps: 50, eta: 1, clamp: 1 });

  const inspected = await run('inspect', 'runs/1', '--threads', '1');
  t.regex(inspected, /^sampled with +--sampler ddim --sample-steps 50 .*--clamp/m);
  t.regex(await run('sample', 'runs/1', '--count', '1', '--threads', '1'), /, 50 reverse steps/);
  const quick = ['--sampler', 'unipc', '--sample-steps', '3', '--count', '1', '--threads', '1'];
  t.regex(await run('sample', 'runs/1', ...quick), /, 3 reverse steps/);
  await run('generate', 'runs/1', '--count', '1', '--threads', '1', '--out', 'images');
  const [head] = (await readFile(join(folder, 'images', 'manifest-1-of-1.jsonl'), 'utf8')).split(
    '\n',
  );
  t.like(JSON.parse(head!).settings, { sampler: 'ddim', steps: 50, eta: 1, clamp: 1 });
  await run('export', 'diffusers', 'runs/1', '--out', 'pipeline');
  const scheduler = join(folder, 'pipeline', 'scheduler', 'scheduler_config.json');
  t.like(JSON.parse(await readFile(scheduler, 'utf8')), {
    clip_sample: true,
    prediction_type: 'v_prediction',
    num_train_timesteps: 1000,
  });
});

test('without --preset, training prints the preset that it uses', async (t) => {
  const folder = await temporaryFolder(t);
  writeBars(folder);
  const train = ['train', 'bars.idx', '--network', 'unet2d', '--size', '16', '--channels', '1'];
  const { code, stdout, stderr } = await haze(folder, [
    ...[...train, '--batch', '2', '--minutes', '0.0001', '--sample-every', '0', '--threads', '1'],
  ]);
  t.is(code, 0, stderr);
  const [first, second, third] = stderr.split('\n');
  t.regex(first!, /^preset {2}unet2d-32, since none is named: /);
  t.regex(second!, /bars\.idx, 40 grey images as 16x16: .* --preset sprites-28 in 0\.0001 min$/);
  t.regex(
    third!,
    /^length {2}1 steps?, about 0\.0001 min at [\d.]+ ms per step; --steps 1 repeats/,
  );
  t.regex(stdout, /^steps {7}1$/m);
});
