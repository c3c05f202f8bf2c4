// `npm run speedrun`: makes the pictures and figures of README.md, the guides and docs/QUALITY.md anew, by the commands of speedrun-table.js.
//
//     npm run speedrun                            everything that needs no photographs
//     npm run speedrun -- --list                  what there is
//     npm run speedrun -- film watch              some of it
//     npm run speedrun -- --cars32 FOLDER         also what needs these photographs; --garments and --emoji likewise
//     npm run speedrun -- --out FOLDER            pictures go there, not into docs/images; figures are printed
//     npm run speedrun -- --resume                goes on with the models of an interrupted speedrun
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fetchNode } from './fetch-node.js';
import { build, fail, install, root } from './prepare.js';
import { DATA, list, MODELS, ROWS, trainCommand } from './speedrun-table.js';

/** The folder of models: relative, since the pictures of the watch page show it. */
const KEPT = join('runs', 'speedrun');

/** Programs by the first word of a command. */
const PROGRAMS = {
  haze: (node) => [node, join(root, 'dist', 'src', 'cli.js')],
  ava: (node) => [node, join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs')],
  node: (node) => [node],
  python: () => [process.env.PYTHON ?? 'python3'],
};

/** A command's program, arguments and environment, which are words NAME=VALUE before the program. `places` has a path for OUT, MODELS and so on. */
export function parse(command, places, node = process.execPath) {
  const names = new RegExp(`\\b(${Object.keys(places).join('|')})\\b`);
  const words = command.split(' ').map((word) => word.replace(names, (name) => places[name]));
  const first = words.findIndex((word) => !/^\w+=/.test(word));
  const env = Object.fromEntries(words.slice(0, first).map((word) => word.split(/=(.*)/s, 2)));
  const [program, ...args] = [...PROGRAMS[words[first]](node), ...words.slice(first + 1)];
  return { program, args, env };
}

/** Shows and runs a command. @returns why it failed; undefined if it did not */
function perform(command, places, node) {
  console.log(`\n$ ${command}`);
  const { program, args, env } = parse(command, places, node);
  const options = { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } };
  const { status, signal, error } = spawnSync(program, args, options);
  if (signal || status === 130) process.exit(130);
  if (error) return error.message;
  return status === 0 ? undefined : `${command} ended with ${status}`;
}

/** Makes a row. @returns why it failed; undefined if it did not */
export function make({ pictures = [], commands, node }, places) {
  const began = Date.now();
  const program = node && fetchNode(node);
  for (const command of commands) {
    const failed = perform(command, places, program);
    if (failed) return failed;
  }
  // A test that takes pictures is skipped where there is no browser.
  const missing = pictures.filter((name) => {
    const stats = statSync(join(places.OUT, name), { throwIfNoEntry: false });
    return !stats || stats.mtimeMs < began;
  });
  return missing.length > 0 ? `${missing.join(' and ')}: not written` : undefined;
}

/** Trains a model, once for all rows. @returns why it failed; undefined if it did not */
function trainer(places) {
  const outcomes = new Map();
  return (name) => {
    if (!outcomes.has(name)) {
      const exists = existsSync(join(root, places.MODELS, name));
      const command = exists ? `haze train --out MODELS/${name} --resume` : trainCommand(name);
      outcomes.set(name, perform(command, places));
    }
    return outcomes.get(name);
  };
}

function readArguments() {
  const data = Object.fromEntries(Object.keys(DATA).map((name) => [name, { type: 'string' }]));
  const options = {
    ...{ list: { type: 'boolean' }, resume: { type: 'boolean' } },
    ...{ out: { type: 'string', default: join('docs', 'images') }, ...data },
  };
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    return fail(error.message);
  }
}

/** The named rows, or all, without those whose photographs are not given; these are named in a line each. */
function chosen(names, values) {
  const unknown = names.find((name) => !Object.hasOwn(ROWS, name));
  if (unknown) fail(`expected ${Object.keys(ROWS).join(', ')}, got ${unknown}`);
  return Object.entries(ROWS).filter(([name, { model }]) => {
    if (names.length > 0 && !names.includes(name)) return false;
    const option = MODELS[model]?.data;
    if (!option || values[option]) return true;
    console.log(`${name}: skipped; it needs --${option}, a folder of ${DATA[option]}`);
    return false;
  });
}

/** Paths by the names that stand for them in commands. */
function placesOf(values) {
  const TMP = mkdtempSync(join(tmpdir(), 'haze-speedrun-'));
  process.on('exit', () => rmSync(TMP, { recursive: true, force: true }));
  const OUT = resolve(values.out);
  mkdirSync(OUT, { recursive: true });
  const given = Object.keys(DATA).filter((name) => values[name]);
  const data = given.map((name) => [name.toUpperCase(), resolve(values[name])]);
  return { OUT, MODELS: KEPT, TMP, ...Object.fromEntries(data) };
}

function speedrun({ values, positionals }) {
  const rows = chosen(positionals, values);
  if (rows.length === 0) return;
  const models = join(root, KEPT);
  if (existsSync(models) && !values.resume)
    fail(`${KEPT} has models of an interrupted speedrun: go on with --resume, or remove it`);
  install();
  build();
  // Ctrl-C is for the command that runs: training saves its state.
  process.on('SIGINT', () => {});
  const places = placesOf(values);
  const train = trainer(places);
  const failures = rows.flatMap(([name, row]) => {
    console.log(`\n== ${name}`);
    const failed = (row.model && train(row.model)) ?? make(row, places);
    return failed ? [`${name}: ${failed}`] : [];
  });
  if (failures.length > 0) {
    if (existsSync(models)) failures.push(`${KEPT} keeps the models, for --resume`);
    fail(`\n${failures.join('\n')}`);
  }
  rmSync(models, { recursive: true, force: true });
  const made = rows.flatMap(([, { pictures = [] }]) => pictures);
  if (made.length > 0) console.log(`\n${places.OUT}: ${made.join(', ')}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = readArguments();
  if (args.values.list) console.log(list());
  else speedrun(args);
}
