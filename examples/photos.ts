/** Trains on a folder of pictures for a few minutes and draws a grid: node photos.ts FOLDER [MINUTES] */
import { grid, runConfig, sample, toImages, train, writePicture } from 'haze';

const [data = 'toy-cars', minutes = '3'] = process.argv.slice(2);
const out = 'runs/photos';

const { steps, loss } = await train({
  config: runConfig({ data, preset: Number(minutes) < 15 ? 'minutes-32' : 'pictures-32' }),
  minutes: Number(minutes),
  out,
  onEvent: (event) => {
    if (event.kind === 'note' || event.kind === 'warning') console.log(event.text);
    if (event.kind === 'step' && event.step % 100 === 0)
      console.log(`${event.step} of ${event.totalSteps}: loss ${event.loss.toFixed(3)}`);
  },
});
console.log(`${steps} steps, mean loss ${loss?.toFixed(3)}`);

const { images, pictures } = await sample(out, { count: 36, seed: 1 });
await writePicture('photos.png', grid(toImages(images, pictures)));
console.log('photos.png');
