/** Trains with classes (a sub-folder each, or the bodies of toy-cars) and draws a column of each, guided: node classes.ts [FOLDER] [STEPS] */
import { grid, load, runConfig, toImages, train, writePicture } from 'haze';

const [data = 'toy-cars', steps = '800'] = process.argv.slice(2);
const out = 'runs/classes';

await train({
  config: runConfig({
    data,
    preset: 'minutes-32',
    classes: 'auto',
    labelDropout: 0.1, // guidance needs to know what the network predicts without a class
    keepGuide: 'none', // the recipe's own guidance, by weaker weights, is another
    steps: Number(steps),
  }),
  out,
});

await using model = await load(out);
console.log(model.classes.join(', '));
const columns = model.classes.length;
// Images take the classes in turn.
const { images } = await model.sample({ class: model.classes, count: 6 * columns, guidance: 3 });
await writePicture('classes.png', grid(toImages(images, model.model), { columns }));
console.log('classes.png');
