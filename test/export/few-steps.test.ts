import { join } from 'node:path';
import test from 'ava';
import { Args } from '../../src/config/args.js';
import { openModel } from '../../src/config/open-model.js';
import { newRunConfig } from '../../src/config/run-config.js';
import { readSampling } from '../../src/config/sampling.js';
import { makeTrajectory } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { readJsonFileSync } from '../../src/io/run.js';
import { train } from '../../src/train/train.js';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { freshRun, SMALL } from '../helpers/fresh-run.js';
import { pythonJson, pythonTest } from '../helpers/python.js';
import { newRun, writeBars } from '../helpers/run.js';

/** Timesteps and coefficients of an exported student, as its pipeline takes them; the folder. */
async function exported(t: Parameters<typeof temporaryFolder>[0]) {
  const folder = await temporaryFolder(t);
  const source = writeBars(folder);
  const flags = { ...SMALL, channels: '1', objective: 'v' };
  const teacher = await freshRun(t, flags, { data: source });
  const student = { 'student-steps': '7', 'teacher-steps': '14', batch: '8', steps: '2' };
  const config = newRunConfig(source, new Args({ teacher, ...student, threads: '2' }));
  const out = join(folder, 'run');
  await train(newRun(config, out));
  const wrote = await haze(folder, ['export', 'diffusers', 'run', '--out', 'pipeline']);
  return { folder, config, wrote, pipeline: join(folder, 'pipeline') };
}

test('a student becomes a DDIMPipeline, whose steps are those that it was taught', async (t) => {
  const { folder, config, wrote, pipeline } = await exported(t);
  t.is(wrote.code, 0, wrote.stderr);
  t.regex(wrote.stdout, /^pipeline: DDIMPipeline\.from_pretrained reads it$/m);
  t.regex(wrote.stderr, /^it draws in 7 steps of DDIM: for diffusers, num_inference_steps=7$/m);
  t.like(readJsonFileSync(join(pipeline, 'model_index.json')), {
    _class_name: 'DDIMPipeline',
    scheduler: ['diffusers', 'DDIMScheduler'],
  });
  const again = await openModel(pipeline, new Args({}));
  const schedule = makeSchedule(config.diffusion);
  const flags = new Args({ steps: '7' });
  const read = makeTrajectory(schedule, readSampling(flags, again.diffusion, again.sampling));
  const own = makeTrajectory(schedule, { sampler: 'ddim', steps: 7 });
  t.deepEqual(read.timesteps, own.timesteps);
  t.deepEqual(read.coefficients, own.coefficients);

  const noisy = ['export', 'diffusers', 'run', '--variance', 'large', '--out', 'other'];
  const refused = await haze(folder, noisy);
  t.is(refused.code, 2);
  t.regex(
    refused.stderr,
    /^haze: --variance: belongs to a DDPMScheduler; run was taught to draw in few steps by DDIM/m,
  );
});

const DRAW = `
import json, sys
from diffusers import DDIMPipeline
pipeline = DDIMPipeline.from_pretrained(sys.argv[1])
pipeline.set_progress_bar_config(disable=True)
drawn = pipeline(num_inference_steps=7, output_type='np').images
print(json.dumps(dict(shape=list(drawn.shape), steps=pipeline.scheduler.timesteps.tolist())))
`;

pythonTest('diffusers draws by it', ['torch', 'diffusers'], async (t, python) => {
  const { config, pipeline } = await exported(t);
  const got = await pythonJson(python, '-c', DRAW, pipeline);
  const { timesteps } = makeTrajectory(makeSchedule(config.diffusion), {
    sampler: 'ddim',
    steps: 7,
  });
  t.deepEqual(got, { shape: [1, 16, 16, 1], steps: [...timesteps] });
});
