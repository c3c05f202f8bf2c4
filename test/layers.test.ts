import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import test from 'ava';

const root = new URL('../../', import.meta.url);

/**
 * What may import what: a file imports from its own layer and those before it. A layer is the files below its folders; the
 * longest path counts.
 */
const LAYERS: readonly (readonly string[])[] = [
  [
    'src/errors',
    'src/units',
    'src/version',
    'src/printable',
    'src/unless-aborted',
    'src/worker-start',
  ],
  ['src/shell-word', 'src/machine'],
  ['src/engine'],
  ['src/diffusion'],
  ['src/network'],
  ['src/contracts'],
  ['src/engine/network', 'src/io'],
  ['src/wasm', 'src/data'],
  ['src/config'],
  ['src/tensorflow'],
  ['src/device'],
  ['src/sample', 'src/export', 'src/parity', 'src/watch', 'src/queue'],
  ['src/generate', 'src/train', 'src/browser'],
  ['src/evaluate'],
  ['src/bench'],
  ['src/commands', 'src/library'],
  ['src/cli', 'src/index'],
];

interface Import {
  readonly from: string;
  /** A path below the root without its ending, or a package. */
  readonly to: string;
  /** Of types alone, which are not there when the program runs. */
  readonly typeOnly: boolean;
}

const files = readdirSync(new URL('src', root), { recursive: true, encoding: 'utf8' })
  .map((name) => `src/${name.replaceAll('\\', '/')}`)
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'));

const imports: readonly Import[] = files.flatMap((from) => importsOf(from));

function importsOf(from: string): Import[] {
  const text = readFileSync(new URL(from, root), 'utf8');
  const found = text.matchAll(
    /(?:^|\n)(?:import|export)( type)? ?(?:[^;'"]*? from )?'([^']+)'|import\('([^']+)'\)/g,
  );
  return [...found].map(([, type, plain, dynamic]) => {
    const specifier = (plain ?? dynamic)!;
    const to = specifier.startsWith('.')
      ? posix.join(posix.dirname(from), specifier).replace(/\.js$/, '')
      : specifier;
    return { from, to, typeOnly: type !== undefined };
  });
}

const within = (path: string, folder: string): boolean =>
  path.replace(/\.ts$/, '') === folder || path.startsWith(`${folder}/`);

/** The number of a file's layer; -1 for one that is in none. */
function layerOf(path: string): number {
  let [best, longest] = [-1, 0];
  for (const [layer, folders] of LAYERS.entries())
    for (const folder of folders)
      if (within(path, folder) && folder.length > longest) [best, longest] = [layer, folder.length];
  return best;
}

test('Every source file is in a layer', (t) => {
  t.true(files.length > 200);
  t.deepEqual(
    files.filter((file) => layerOf(file) < 0),
    [],
  );
});

test('No import points to a higher layer, or to another folder of the same layer', (t) => {
  const folderOf = (path: string) =>
    LAYERS.flat()
      .filter((folder) => within(path, folder))
      .sort((a, b) => b.length - a.length)[0];
  const wrong = imports.filter(({ from, to }) => {
    if (!to.startsWith('src/')) return false;
    const [here, there] = [layerOf(from), layerOf(to)];
    return there > here || (there === here && here > 0 && folderOf(from) !== folderOf(to));
  });
  t.true(imports.length > 1000);
  t.deepEqual(
    wrong.map(({ from, to }) => `${from} imports ${to}`),
    [],
  );
});

const isOfNode = (specifier: string): boolean =>
  !specifier.startsWith('src/') && !specifier.startsWith('assembly/');

/**
 * What of Node and of packages is imported by files when they run, and by what these import.
 * @param skip files that are not looked into
 */
function foreign(roots: readonly string[], skip: (path: string) => boolean) {
  const todo = [...roots];
  const seen = new Set(todo);
  const found: string[] = [];
  for (let file = todo.pop(); file; file = todo.pop())
    for (const { to, typeOnly } of imports.filter(({ from }) => from === file)) {
      if (typeOnly || skip(to)) continue;
      if (isOfNode(to)) found.push(`${file} imports ${to}`);
      else if (!seen.has(`${to}.ts`)) {
        seen.add(`${to}.ts`);
        todo.push(`${to}.ts`);
      }
    }
  return { found, seen };
}

const inHost = (path: string): boolean => within(path, 'src/engine/host');

test("Of the engine and the networks, only the engine's host needs Node or a package", (t) => {
  const roots = files.filter(
    (file) => (within(file, 'src/engine') || within(file, 'src/network')) && !inHost(file),
  );
  const { found, seen } = foreign(roots, inHost);
  t.deepEqual(found, []);
  t.true(seen.has('src/errors.ts') && seen.has('src/engine/walker.ts'));
  t.true(
    imports.some(({ from, to }) => inHost(from) && isBuiltin(to)),
    'the host needs Node',
  );
});

test('The code for browsers needs no Node, and draws by the same modules as Node', (t) => {
  const roots = files.filter(
    (file) => within(file, 'src/browser') || /^src\/engine\/host\/(browser|web)/.test(file),
  );
  // The name by which package.json has another host for browsers, and a package without Node.
  const known = ['#engine-host', 'fastest-levenshtein'];
  const { found, seen } = foreign(roots, (path) => known.includes(path));
  t.deepEqual(found, []);
  for (const shared of [
    ...['engine/network/plan', 'engine/engine', 'engine/walker', 'wasm/wasm-sampler'],
    ...['network/network', 'diffusion/sampler', 'diffusion/random', 'io/safetensors-reader'],
    ...['config/sampling', 'sample/draw-images', 'io/grid'],
    ...['device/device-autoencoder', 'device/untimed-graph', 'network/latents'],
  ])
    t.true(seen.has(`src/${shared}.ts`), shared);
});

test('Only the host uses the globals of Node', (t) => {
  for (const file of files) {
    if (!within(file, 'src/engine') && !within(file, 'src/network')) continue;
    if (within(file, 'src/engine/host')) continue;
    const text = readFileSync(new URL(file, root), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    t.notRegex(text, /\bprocess\.|\bBuffer\.|\bsetImmediate\b|\brequire\(/, file);
  }
});

test('The engine knows nothing of diffusion', (t) => {
  const wrong = imports.filter(
    ({ from, to }) =>
      within(from, 'src/engine') &&
      ['src/diffusion', 'src/wasm', 'src/train'].some((f) => within(to, f)),
  );
  t.deepEqual(wrong, []);
});
