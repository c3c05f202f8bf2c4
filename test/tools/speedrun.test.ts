import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { PRESET_NAMES, PRESETS } from '../../src/config/presets.js';
import { temporaryFolder } from '../helpers/folder.js';

interface Row {
  readonly pictures?: readonly string[];
  readonly figures?: string;
  readonly where: string;
  readonly minutes: number;
  readonly model?: string;
  readonly commands: readonly string[];
}

interface Table {
  readonly DATA: Readonly<Record<string, string>>;
  readonly MODELS: Readonly<Record<string, { readonly train: string; readonly data?: string }>>;
  readonly ROWS: Readonly<Record<string, Row>>;
}

type Places = Readonly<Record<string, string>>;

interface Tool {
  parse(
    command: string,
    places: Places,
    node?: string,
  ): { program: string; args: string[]; env: object };
  make(row: Pick<Row, 'pictures' | 'commands'>, places: Places): string | undefined;
}

const root = new URL('../../../', import.meta.url);
const SCRIPT = fileURLToPath(new URL('tools/speedrun.js', root));
const { parse, make } = (await import(new URL('tools/speedrun.js', root).href)) as Tool;
const { DATA, MODELS, ROWS } = (await import(
  new URL('tools/speedrun-table.js', root).href
)) as Table;
const rows = Object.values(ROWS);
const text = (name: string) => readFileSync(new URL(name, root), 'utf8');
const GUIDES = readdirSync(new URL('docs/guides', root)).map((name) => `docs/guides/${name}`);

/** Names of the pictures in docs/images that documents show. */
const shownIn = (...names: string[]): string[] => {
  const found = names.flatMap((name) => [...text(name).matchAll(/\bimages\/([\w-]+\.\w+)/g)]);
  return [...new Set(found.map(([, picture]) => picture!))].sort();
};

test('the table makes each picture of README.md, the guides and docs/QUALITY.md once, and no other', (t) => {
  const made = rows.flatMap(({ pictures = [] }) => pictures).sort();
  t.deepEqual(made, shownIn('README.md', ...GUIDES, 'docs/QUALITY.md'));
});

test('a document shows each file in docs/images', (t) => {
  t.deepEqual(
    readdirSync(new URL('docs/images', root)).sort(),
    shownIn('README.md', ...GUIDES, 'docs/QUALITY.md', 'docs/BENCHMARKS.md'),
  );
});

test('each row writes its pictures and names a model, a section and a time', (t) => {
  for (const [name, { pictures = [], figures, where, minutes, model, commands }] of Object.entries(
    ROWS,
  )) {
    t.true(pictures.length > 0 || figures !== undefined, name);
    t.true(commands.length > 0 && minutes > 0, name);
    for (const place of where.split('; ')) {
      const [document, section] = place.split(', ');
      const path = document === 'README' ? 'README.md' : `docs/${document}.md`;
      t.regex(text(path), new RegExp(section ? `^##+ ${section}$` : '^# ', 'm'), name);
    }
    const used = commands.flatMap((command) => command.match(/MODELS\/[\w-]+/g) ?? []);
    t.true(
      used.every((path) => path === `MODELS/${model}`),
      name,
    );
    if (model !== undefined) t.true(Object.hasOwn(MODELS, model), name);
  }
  for (const { data } of Object.values(MODELS)) if (data) t.true(Object.hasOwn(DATA, data), data);
});

test('scripts and tests that commands run exist in the repository', (t) => {
  const scripts = rows.flatMap(({ commands }) =>
    commands.flatMap((command) => command.match(/\b[\w/-]+(\.test)?\.(js|py)\b/g) ?? []),
  );
  t.true(scripts.length >= 5);
  for (const script of scripts)
    t.true(existsSync(new URL(script.replace(/^dist\/(.+)\.js$/, '$1.ts'), root)), script);
});

test('the figures of presets cover all presets, and the speeds all recipes', (t) => {
  const named = (row: string) =>
    ROWS[row]!.commands.flatMap((command) => /--preset (\S+)/.exec(command)?.slice(1) ?? []);
  t.deepEqual(named('memory').sort(), [...PRESET_NAMES].sort());
  const recipes = PRESET_NAMES.filter((name) => 'training' in PRESETS[name].recipe);
  t.deepEqual(named('recipes').sort(), [...recipes].sort());
});

test('documents and npm start train the models with the flags of the table', (t) => {
  const classes = text('docs/guides/classes.md').replaceAll(/\s*\\\n\s*/g, ' ');
  for (const [model, shown] of [
    ['classes', classes],
    ['photographs', text('docs/QUALITY.md')],
    ['long', text('docs/QUALITY.md')],
    ['short', text('docs/QUALITY.md')],
    ['quick', text('docs/QUALITY.md')],
    ['small', text('docs/QUALITY.md')],
    ['garments', text('docs/QUALITY.md')],
    ['hours', text('docs/QUALITY.md')],
    ['cars64', text('docs/QUALITY.md')],
    ['emoji', text('docs/QUALITY.md')],
  ] as const)
    t.true(
      shown.includes(
        `haze train ${MODELS[model]!.train.replace(/CARS32|GARMENTS|EMOJI/, (name) => name.toLowerCase())}`,
      ),
      model,
    );
  const words = MODELS.minutes!.train.replace(' --seed 0', '').split(' ');
  t.true(text('tools/start.js').includes(words.map((word) => `'${word}'`).join(', ')));
});

test('a command is parsed into program, arguments and environment, with paths in place of names', (t) => {
  const places = { OUT: '/out folder', MODELS: 'runs/m', TMP: '/t' };
  const { program, args, env } = parse('A=MODELS/x B=OUT haze sample MODELS/x --out OUT/y', places);
  t.is(program, process.execPath);
  t.regex(args.shift()!, /cli\.js$/);
  t.deepEqual(args, ['sample', 'runs/m/x', '--out', '/out folder/y']);
  t.deepEqual(env, { A: 'runs/m/x', B: '/out folder' });
  t.deepEqual(parse('node TMP/x', places, 'node20'), {
    ...{ program: 'node20', args: ['/t/x'], env: {} },
  });
});

test('a row is made if its commands succeed and write its pictures; otherwise it says why', async (t) => {
  const folder = await temporaryFolder(t);
  const places = { OUT: join(folder, 'out'), TMP: folder };
  await mkdir(places.OUT);
  const script = "import { writeFileSync } from 'node:fs'; writeFileSync(process.argv[2], 'new');";
  await writeFile(join(folder, 'draw.mjs'), script);
  const draw = 'node TMP/draw.mjs OUT/a.png';
  t.is(make({ pictures: ['a.png'], commands: [draw] }, places), undefined);
  t.is(await readFile(join(places.OUT, 'a.png'), 'utf8'), 'new');
  t.is(make({ pictures: ['a.png', 'b.png'], commands: [draw] }, places), 'b.png: not written');
  await writeFile(join(folder, 'broken.mjs'), 'process.exitCode = 3;');
  const broken = 'node TMP/broken.mjs';
  t.is(make({ pictures: ['a.png'], commands: [broken, draw] }, places), `${broken} ended with 3`);
});

const speedrun = (...args: string[]) =>
  spawnSync(process.execPath, [SCRIPT, ...args], { encoding: 'utf8' });

test('--list prints each picture, figure and command', (t) => {
  const { status, stdout } = speedrun('--list');
  t.is(status, 0);
  for (const [name, { pictures = [], figures = '', commands }] of Object.entries(ROWS))
    for (const part of [`${name}: `, ...pictures, figures, ...commands])
      t.true(stdout.includes(part), part);
  for (const { train } of Object.values(MODELS)) t.true(stdout.includes(train), train);
});

test('without photographs, rows that need them are skipped with one line each', async (t) => {
  const out = join(await temporaryFolder(t), 'out');
  const { status, stdout } = speedrun('cars-plain', 'judge', '--out', out);
  t.is(status, 0);
  t.regex(stdout, /^cars-plain: skipped; it needs --cars32, .*\njudge: skipped; .*\n$/);
  t.false(existsSync(out));
});

test('an unknown row or option ends the speedrun in one line', (t) => {
  for (const [args, message] of [
    [['cars'], /^expected toy-cars, film, .*, got cars\n$/],
    [['--cars64', 'photos/'], /--cars64.*\n$/],
  ] as const) {
    const { status, stderr } = speedrun(...args);
    t.is(status, 1);
    t.regex(stderr, message);
    t.notRegex(stderr, /^\s+at /m);
  }
});
