/** `haze parity`: compares Haze's numbers with PyTorch's, each group within its tolerance. */
import type { Args } from '../config/args.js';
import {
  COMPUTING_DEFAULTS,
  checkComputing,
  readComputing,
  readRequireCuda,
} from '../config/computing.js';
import { DIFFUSION_DEFAULTS, readDiffusion } from '../config/diffusion.js';
import type { Loss } from '../contracts/device.js';
import { chooseDevice } from '../device/choose.js';
import { CheckError, UsageError } from '../errors.js';
import type { Group } from '../parity/compare.js';
import { compareFixture } from '../parity/compare-fixture.js';
import { isDiffusersNetwork } from '../parity/diffusers-network.js';
import { Fixture } from '../parity/fixture.js';
import { openSubject } from '../parity/open-subject.js';
import { trains } from '../parity/passes.js';
import { printable } from '../printable.js';
import { print, printJson, table } from './text.js';

export async function run(args: Args): Promise<void> {
  const path = args.positional('fixture', 'a file of expected values');
  const computing = checkComputing({ ...COMPUTING_DEFAULTS, ...readComputing(args) });
  const { loss } = readDiffusion(args);
  const { device } = await chooseDevice(computing, readRequireCuda(args));
  const fixture = await Fixture.read(path);
  if (loss !== undefined) checkLoss(fixture, loss);
  const subject = await openSubject(device, computing, loss ?? DIFFUSION_DEFAULTS.loss);
  const groups = await compareFixture(fixture, subject);
  const failed = groups.filter((group) => !group.holds);
  if (args.boolean('json')) printJson({ fixture: path, holds: failed.length === 0, groups });
  else print(asText(groups));
  if (failed.length > 0)
    throw new CheckError(
      `${path}: ${failed.length} of ${groups.length} groups are outside their tolerance\n` +
        failed.map(describe).join('\n'),
    );
}

/** @throws UsageError for a loss that the file's values are not of, or do not depend on */
function checkLoss(fixture: Fixture, loss: Loss): void {
  const { path } = fixture;
  if (isDiffusersNetwork(fixture)) {
    if (loss === 'l2') return;
    throw new UsageError(`--loss: ${path} has mean squared errors, l2, got ${loss}`);
  }
  if (trains(fixture)) return;
  throw new UsageError(
    `--loss: expected a file with gradients, steps or losses, got ${path}, where nothing depends on it`,
  );
}

function asText(groups: readonly Group[]): string {
  const rows = groups.map(({ name, values, largestError, worst, holds }) => [
    name,
    String(values),
    largestError.toExponential(1),
    `${worst.error.toExponential(1)} of ${worst.tolerance.toExponential(1)}`,
    holds ? 'holds' : 'DOES NOT HOLD',
  ]);
  const head = ['group', 'values', 'largest error', 'share of tolerance', ''];
  return table([head, ...rows], [1, 2]);
}

function describe({ worst }: Group): string {
  const { tensor, index, expected, got, tolerance } = worst;
  const place = index.length > 0 ? `${printable(tensor)}[${index.join(', ')}]` : printable(tensor);
  return `${place}: expected ${expected}, got ${got}, tolerance ${tolerance.toExponential(1)}`;
}
