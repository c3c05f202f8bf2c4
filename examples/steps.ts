/** A custom training loop with early stopping, when the held-out loss has not fallen for three epochs: node steps.ts [DATA] [STEPS] */
import { runConfig, trainSteps } from 'haze';

const [data = 'toy-cars', steps = '800'] = process.argv.slice(2);
const config = runConfig({
  data,
  preset: 'minutes-32',
  steps: Number(steps),
  heldOut: 0.1,
  sampleEvery: 0,
});

let best = { loss: Number.POSITIVE_INFINITY, epoch: 0 };
for await (const { step, epoch, heldOutLoss } of trainSteps({ config, out: 'runs/steps' })) {
  if (heldOutLoss === undefined) continue; // it comes at the end of an epoch
  console.log(`step ${step}: held-out loss ${heldOutLoss.toFixed(4)}`);
  if (heldOutLoss < best.loss) best = { loss: heldOutLoss, epoch };
  else if (epoch - best.epoch >= 3) break; // saves a checkpoint, from which `resume: true` continues
}
console.log(`best after epoch ${best.epoch}: ${best.loss.toFixed(4)}`);
