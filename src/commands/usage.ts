import type { Argv } from 'yargs';
import yargs from 'yargs';
import type { Flag } from '../config/flag.js';
import { COMMON_FLAGS, type Command, positionalsOf } from './command.js';

/** The parts of the command line: help, version and one handler per command. */
export function commandLine(
  commands: readonly Command[],
  version: string,
  handle: (command: Command, values: Readonly<Record<string, unknown>>) => Promise<void>,
): Argv {
  const line = yargs()
    .scriptName('haze')
    .usage('haze <command>\n\nTrain and sample diffusion models on images.')
    .locale('en')
    .parserConfiguration(PARSER)
    .strict()
    .exitProcess(false)
    .fail(false)
    .version(version)
    .help()
    .alias('help', 'h')
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .epilogue('haze <command> --help describes each command.')
    .example('haze train toy-cars --preset tiny --steps 300', 'train on cars that Haze draws')
    .example('haze sample runs/1 --out grid.png', 'draw new ones');
  for (const command of commands)
    line.command(
      usage(command),
      command.describe,
      (builder) => describeCommand(builder, command),
      (values) => handle(command, values),
    );
  return line;
}

/** Words are taken literally: config/ reads numbers, and a flag has one spelling. */
const PARSER = {
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'camel-case-expansion': false,
  'dot-notation': false,
  'short-option-groups': false,
};

function usage(command: Command): string {
  const words = positionalsOf(command).map(({ name, optional }) =>
    optional ? `[${name}]` : `<${name}>`,
  );
  return [command.name, ...words].join(' ');
}

function describeCommand(builder: Argv, command: Command): Argv {
  for (const { name, describe } of positionalsOf(command))
    builder.positional(name, { type: 'string', describe });
  for (const [title, flags] of Object.entries(command.groups)) {
    for (const [name, flag] of Object.entries(flags)) addFlag(builder, name, flag);
    builder.group(Object.keys(flags), title);
  }
  addFlag(builder, 'verbose', COMMON_FLAGS.verbose!);
  builder.version(false); // It belongs to the program, not to a command.
  return builder
    .usage(`haze ${usage(command)}\n\n${command.describe}.`)
    .epilogue(`${examplesOf(command)}${command.notes === undefined ? '' : `\n\n${command.notes}`}`);
}

/** Each on a line of its own, to be copied: yargs would break long ones to make room for their meanings. */
function examplesOf({ examples }: Command): string {
  const lines = examples.flatMap(([words, meaning]) => [
    ...(meaning === '' ? [] : [`  # ${meaning}`]),
    `  ${words}`,
  ]);
  return ['Examples:', ...lines].join('\n');
}

function addFlag(builder: Argv, name: string, flag: Flag): void {
  const value = flag.value === undefined ? '' : `  <${flag.value}>`;
  builder.option(name, {
    describe: `${flag.describe}${value}`,
    ...(flag.value === undefined ? { type: 'boolean' } : { nargs: 1 }),
    ...(flag.default !== undefined && { defaultDescription: flag.default }),
  });
}
