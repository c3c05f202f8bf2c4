import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import ts from 'typescript';
import { compiled } from './helpers/programs.js';

const root = new URL('../../', import.meta.url);

interface Manifest {
  readonly bin: { readonly haze: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly sideEffects: readonly string[];
  readonly imports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly exports: Readonly<
    Record<'.' | './browser', { readonly types: string; readonly default: string }>
  >;
}

const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as Manifest;

/** Paths in the tarball that `npm pack` would make. */
let files: string[];

test.before(async () => {
  files = await packed();
});

async function packed(): Promise<string[]> {
  const shell = process.platform === 'win32';
  const options = { cwd: fileURLToPath(root), shell, maxBuffer: 2 ** 26 };
  const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json'], options);
  const [tarball] = JSON.parse(stdout) as { files: { path: string }[] }[];
  return tarball!.files.map(({ path }) => path);
}

test('the package contains exactly the program, its types, its kernels and documentation', (t) => {
  const compiled = (name: string) => /^dist\/src\/.+\.(js|d\.ts)$/.test(name);
  const guides = readdirSync(new URL('docs/guides', root)).map((name) => `docs/guides/${name}`);
  t.deepEqual(files.filter((name) => !compiled(name)).sort(), [
    'CHANGELOG.md',
    'LICENCES.md',
    'LICENSE',
    'README.md',
    'dist/assembly/constants.d.ts',
    'dist/assembly/constants.js',
    'dist/assembly/haze.relaxed.wasm',
    'dist/assembly/haze.strict.wasm',
    'dist/src/tensorflow/setup/npm-lock.json',
    'dist/src/watch/page/icon.svg',
    'dist/src/watch/page/index.html',
    'dist/src/watch/page/page.css',
    'dist/web/browser.js',
    'dist/web/engine.js',
    'dist/web/haze.relaxed.wasm',
    'dist/web/haze.strict.wasm',
    'dist/web/index.html',
    'dist/web/isolation.js',
    'dist/web/page.js',
    'dist/web/style.css',
    'dist/web/web-worker.js',
    ...guides.sort(),
    'package.json',
  ]);
});

test('every source file is in the package, compiled and declared', (t) => {
  const packed = new Set(files);
  const sources = readdirSync(new URL('src', root), { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'));
  t.true(sources.length > 100);
  for (const name of sources)
    for (const extension of ['js', 'd.ts'])
      t.true(packed.has(`dist/src/${name.replace(/ts$/, extension)}`), `${name} as .${extension}`);
});

/** Where the engine runs, by conditions. */
const hosts = Object.values(manifest.imports);

test('the files that package.json names are in the package, and the command starts', (t) => {
  const entries = [manifest.exports['.'], manifest.exports['./browser'], ...hosts];
  for (const path of [...entries.flatMap((entry) => Object.values(entry)), manifest.bin.haze]) {
    t.true(existsSync(new URL(path, root)), path);
    t.true(files.includes(path.replace(/^\.\//, '')), path);
  }
  t.regex(readFileSync(new URL(manifest.bin.haze, root), 'utf8'), /^#!\/usr\/bin\/env node\n/);
});

test('the kernels are packed where the compiled engine looks for them', (t) => {
  const module = readFileSync(new URL('dist/src/engine/host/kernels.js', root), 'utf8');
  const [, pattern] = /new URL\(`([^`]+)`, import\.meta\.url\)/.exec(module)!;
  for (const build of ['strict', 'relaxed']) {
    const relative = pattern!.replace(/\$\{build\}/, build);
    const { pathname } = new URL(relative, 'file:///dist/src/engine/host/kernels.js');
    t.true(files.includes(pathname.slice(1)), pathname);
  }
});

test('every package that the program imports is installed with it', (t) => {
  const imported = new Set<string>();
  for (const name of files.filter((file) => /^dist\/src\/.+\.js$/.test(file))) {
    const text = readFileSync(new URL(name, root), 'utf8');
    // Not the examples in docstrings.
    const code = text.replaceAll(/^ *\*.*$/gm, '');
    for (const [, specifier] of code.matchAll(/(?:from |import\()'([^'.#][^']*)'/g))
      if (!isBuiltin(specifier!)) imported.add(specifier!);
  }
  t.true(imported.has('piscina') && imported.has('sharp'));
  for (const name of imported) t.true(Object.hasOwn(manifest.dependencies, name), name);
});

test('every place that names the version or the supported Nodes agrees with package.json', (t) => {
  const read = (name: string) => readFileSync(new URL(name, root), 'utf8');
  const { version, engines } = JSON.parse(read('package.json')) as {
    version: string;
    engines: { node: string };
  };
  t.true(read('CITATION.cff').includes(`\nversion: ${version}\n`), 'CITATION.cff');
  t.true(read('CHANGELOG.md').includes(`\n## [${version}]`), 'CHANGELOG.md');
  const majors = (text: string) => text.match(/\d+/g)!.map(Number);
  const [, tested] = /node: \[(.+)\]/.exec(read('.github/workflows/test.yml'))!;
  const [, compared] = /MAJORS = \[(.+)\]/.exec(read('tools/nodes.js'))!;
  t.deepEqual(majors(tested!), majors(compared!), '.github/workflows/test.yml and tools/nodes.js');
  t.is(Math.min(...majors(tested!)), majors(engines.node)[0]!);
  t.true(majors(tested!).includes(majors(read('.nvmrc'))[0]!), '.nvmrc');
});

/** What a module may have at its top and do nothing when it is imported. */
const QUIET: ReadonlySet<ts.SyntaxKind> = new Set([
  ...[ts.SyntaxKind.ImportDeclaration, ts.SyntaxKind.ExportDeclaration],
  ...[ts.SyntaxKind.ExportAssignment, ts.SyntaxKind.VariableStatement],
  ...[ts.SyntaxKind.FunctionDeclaration, ts.SyntaxKind.ClassDeclaration],
]);

test('package.json lists exactly the modules with side effects, so bundlers may drop the others', (t) => {
  const patterns = manifest.sideEffects.map(
    (path) => new RegExp(`^${path.slice(2).replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`),
  );
  const isListed = (name: string) => patterns.some((pattern) => pattern.test(name));
  const scripts = files.filter((name) => /^dist\/.+\.js$/.test(name));
  const acting = scripts.filter((name) => {
    const text = readFileSync(new URL(name, root), 'utf8');
    const { statements } = ts.createSourceFile(name, text, ts.ScriptTarget.Latest);
    return statements.some(({ kind }) => !QUIET.has(kind));
  });
  t.true(acting.length >= 5);
  t.deepEqual(
    acting.filter((name) => !isListed(name)),
    [],
  );
  for (const [i, pattern] of patterns.entries())
    t.true(
      scripts.some((name) => pattern.test(name)),
      manifest.sideEffects[i],
    );
});

test("the package's types compile with Node's types and without the DOM", async (t) => {
  const names =
    'drawWith, evaluate, generate, load, runConfig, sample, train, trainSteps, UsageError';
  const program = `import { ${names}, type Model } from 'haze';
import { load as loadPage } from 'haze/browser';

export const all = [${names}, loadPage];
export const use = async (model: Model): Promise<Float32Array> => (await model.sample({ count: 1 })).images;
`;
  // es2023 is what Node 20 has; without more, TypeScript would add the DOM.
  await compiled(t, { 'program.ts': program }, { lib: ['es2023'] });
  t.pass();
});
