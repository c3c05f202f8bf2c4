import test from 'ava';
import { unetInputs } from '../../src/bench/inputs.js';
import { MODELS } from '../../src/bench/models.js';
import { writeUnetTask } from '../../src/bench/unet.js';
import type { ModelConfig } from '../../src/config/config.js';
import { completeModel } from '../../src/config/network-settings.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { fromDiffusers } from '../../src/network/diffusers-config.js';
import { temporaryFolder } from '../helpers/folder.js';

const write = async (folder: string, model: ModelConfig) => {
  const inputs = unetInputs(model, 2, 100, 1);
  return {
    inputs,
    task: await readSafetensors(await writeUnetTask(folder, model, 2, inputs)),
  };
};

test("A task has weights, inputs, and the config.json of one of diffusers' networks", async (t) => {
  const given = { size: 16, widths: [8, 16], headDim: 4, eps: 1e-6, downPadding: 0 } as const;
  const model = completeModel({ kind: 'unet2d', ...given });
  const { inputs, task } = await write(await temporaryFolder(t), model);
  const { config, size } = fromDiffusers('task', JSON.parse(task.metadata.config!));
  t.deepEqual({ ...config, size }, { ...model });
  for (const [name, { data }] of inputs.state)
    t.deepEqual(task.tensors.get(`state/${name}`)?.data, data, name);
  t.deepEqual(task.tensors.get('xt')?.data, inputs.xt);
  t.deepEqual(task.tensors.get('noise')?.shape, [2, 16, 16, 3]);
});

test('For the reference, the shapes are a complete description', async (t) => {
  const { task } = await write(await temporaryFolder(t), MODELS.tiny.model);
  t.is(task.metadata.config, undefined);
});
