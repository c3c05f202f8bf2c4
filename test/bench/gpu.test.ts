import { execFile, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { findInstall } from '../../src/tensorflow/locate.js';
import { temporaryFolder } from '../helpers/folder.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const SCRIPT = join(ROOT, 'bench/gpu/measure.sh');

const PYTHON = process.env.PYTHON ?? 'python3';
const withTorch = spawnSync(PYTHON, ['-c', 'import torch, safetensors']).status === 0;

const withPython = process.platform === 'linux' && spawnSync('python3', ['--version']).status === 0;

/** Runs steps of the measurements for GPU machines at tiny sizes. */
async function dryRun(t: ExecutionContext, steps: readonly string[]): Promise<string> {
  const home = await temporaryFolder(t);
  const env = {
    ...process.env,
    ...{
      HZ: home,
      HZ_DRY: '1',
      HZ_BUDGET: '1000000',
      HZ_APP: ROOT,
      HZ_NODE: process.execPath,
      HZ_PYTHON: PYTHON,
      // All of them are compared by other tests.
      HZ_FIXTURES: 'unet_l2_8 unet2d/ddpm_cifar_like_16',
    },
  };
  const failed = await new Promise<boolean>((resolve) => {
    execFile('bash', [SCRIPT, ...steps], { cwd: home, env }, (error) => resolve(error !== null));
  });
  const said = await readFile(join(home, 'out', 'steps.txt'), 'utf8');
  t.false(failed, said);
  return said;
}

(withPython ? test : test.skip)(
  'the steps for GPU machines that need no GPU run at tiny sizes',
  async (t) => {
    const said = await dryRun(t, ['machine', 'wasm']);
    t.regex(said, /^## wasm-2: rc 0/m);
    t.regex(said, /^## wasm-layers: rc 0/m);
    t.regex(said, /^wasm-2: wasm.*, 1 threads, train batch 2: [\d.]+ ms/m);
  },
);

(withTorch ? test : test.skip)(
  'PyTorch computes the same networks, those of diffusers without it',
  async (t) => {
    const said = await dryRun(t, ['torch', 'torch_unet2d', 'torch_dit', 'torch_compile']);
    t.regex(said, /^torch: eager batch 4 tf32 True: train [\d.]+ ms/m);
    t.regex(said, /^torch-unet2d: channels_last batch 2 tf32 True: train [\d.]+ ms/m);
    t.regex(said, /^torch-dit: eager batch 2 tf32 False: train [\d.]+ ms/m);
    t.regex(said, /^torch-compile-dit: compile batch 2 tf32 True: train [\d.]+ ms/m);
    const names = [
      ...['unet2d/ddpm_cifar_like_16', 'unet2d/train_script_like_32', 'autoencoder/tiny_16'],
      ...['dit/classes_8', 'dit/odd_grey_12', 'dit/stretched_16'],
    ];
    const fixtures = names.map((name) => join(ROOT, `test/fixtures/${name}.safetensors`));
    const script = join(ROOT, 'bench/gpu/torch_diffusers.py');
    const { stdout } = spawnSync(PYTHON, [script, ...fixtures], { encoding: 'utf8' });
    const errors = stdout.trim().split('\n').map(Number.parseFloat);
    t.is(errors.length, names.length, stdout);
    for (const error of errors) t.true(error < 1e-5, stdout);
  },
);

if (withPython)
  tensorflowTest('an operation without a kernel for GPUs is found before it is packed', (t) => {
    const script = (name: string) => join(ROOT, 'bench/gpu', name);
    const listed = spawnSync(process.execPath, [script('operations.mjs'), ROOT]);
    t.is(listed.status, 0, String(listed.stderr));
    const operations = JSON.parse(String(listed.stdout)) as { op: string; types: object }[];
    for (const op of ['Conv2DBackpropFilter', 'ResourceApplyAdam', 'Bitcast', 'GatherV2'])
      t.true(
        operations.some((row) => row.op === op),
        op,
      );
    const { folder, origin } = findInstall()!;
    const check = (rows: typeof operations) =>
      spawnSync('python3', [script('check_kernels.py'), join(folder, 'tensorflow')], {
        input: JSON.stringify(rows),
      });
    // Of variables, also the CPU's build has kernels that run on any device; of convolutions it has none for a GPU.
    const variables = check(operations.filter(({ op }) => op === 'VarHandleOp'));
    t.is(variables.status, 0, String(variables.stderr));
    t.regex(String(variables.stdout), /^a GPU has kernels for all 1 operations/);
    const all = check(operations);
    const cuda = origin === 'cuda';
    t.is(all.status, cuda ? 0 : 1, String(all.stderr));
    if (!cuda) t.regex(String(all.stderr), /no kernel for a GPU: .*Conv2D/);
  });

if (withTorch)
  tensorflowTest('an autoencoder gives the same latents and pictures as in PyTorch', async (t) => {
    const said = await dryRun(t, ['latents']);
    t.regex(said, /^latents: tensorflow, .* encode batch 1: [\d.]+ ms/m);
    t.regex(said, /^latents: tensorflow, .* decode batch 2: [\d.]+ ms/m);
    const errors = [...said.matchAll(/error ([\d.e+-]+)/g)].map(([, error]) => Number(error));
    t.is(errors.length, 8, said);
    for (const error of errors) t.true(error < 1e-4, said);
  });

if (withPython)
  tensorflowTest('the steps on the tensorflow device run at tiny sizes on a CPU', async (t) => {
    const said = await dryRun(t, [
      'parity',
      'bench',
      'bench_unet2d',
      'bench_dit',
      'layouts',
      'train',
      'sample',
      'generate',
      'xla_fusible',
      'xla',
      'repeat',
      'deterministic',
    ]);
    t.regex(said, /^repeat: \{"steps": 3, "same_losses": (true|false)/m);
    t.regex(said, /^parity-f32-unet_l2_8: holds/m);
    t.regex(said, /^parity-f32-ddpm_cifar_like_16: holds/m);
    t.regex(said, /^layout-auto-unet2d: tensorflow, .* train batch 2: [\d.]+ ms/m);
    t.regex(said, /^deterministic-repeat: \{"steps": 3, "same_losses": true/m);
    t.regex(said, /^xla-unet_rgb_16: holds/m);
    t.regex(said, /^xla-fusible-unet2d: tensorflow, .* train batch 2: [\d.]+ ms/m);
    t.regex(said, /^xla-unet2d: tensorflow, .* train batch 2: [\d.]+ ms/m);
    t.regex(said, /^bench-unet2d: tensorflow, .* train batch 2: [\d.]+ ms/m);
    t.regex(said, /^bench-dit: tensorflow, .* train batch 2: [\d.]+ ms/m);
    t.regex(said, /^bench-recipe: tensorflow, .* train batch 2: [\d.]+ ms/m);
    t.notRegex(said, /DOES NOT HOLD|SKIPPED/);
  });
