/** Trains with classes (subfolders, or the bodies of toy-cars) and draws a guided column of each: node classes.ts [FOLDER] [STEPS] */
import { grid, load, runConfig, toImages, train, writePicture } from 'haze';

const [data = 'toy-cars', steps = '800'] = process.argv.slice(2);
const out = 'runs/classes';

await train({
  config: runConfig({
    data,
    preset: 'minutes-32',
    classes: 'auto',
    labelDropout: 0.1, // guidance needs the network's prediction without a class
    keepGuide: 'none', // turns off the recipe's own guidance, which uses weaker weights
    steps: Number(steps),
  }),
  out,
});

await using model = await load(out);
console.log(model.classes.join(', '));
const columns = model.classes.length;
// Images take the classes in turn.
const { images, pictures } = await model.sample({
  class: model.classes,
  count: 6 * columns,
  guidance: 3,
});
await writePicture('classes.png', grid(toImages(images, pictures), { columns }));
console.log('classes.png');
