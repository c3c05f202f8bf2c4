import { readFileSync } from 'node:fs';
import test from 'ava';

interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<Record<string, Locked>>;
}

/** What `npm run licences` writes, by its own function. */
interface Tool {
  licences(
    manifest: { readonly dependencies: Readonly<Record<string, string>> },
    lock: Lock,
  ): string;
}

const root = new URL('../../../', import.meta.url);
const tool = (await import(new URL('tools/licences.js', root).href)) as Tool;
const text = (name: string) => readFileSync(new URL(name, root), 'utf8');

test('LICENCES.md matches npm run licences, and lists all packages of an install with their licences', (t) => {
  const manifest = JSON.parse(text('package.json')) as Parameters<Tool['licences']>[0];
  const written = text('LICENCES.md');
  t.is(written, tool.licences(manifest, JSON.parse(text('package-lock.json')) as Lock));
  for (const name of Object.keys(manifest.dependencies))
    t.true(written.includes(`\n| ${name} |`), name);
});

const TENSORFLOW = { version: '4.0.0', license: 'Apache-2.0' };

test('indirect dependencies are listed, and development dependencies are not', (t) => {
  const packages = {
    'node_modules/@tensorflow/tfjs-node-gpu': TENSORFLOW,
    'node_modules/a': { version: '1.0.0', license: 'MIT', dependencies: { b: '^2.0.0' } },
    'node_modules/a/node_modules/b': { version: '2.0.0', license: '(MIT OR Apache-2.0)' },
    'node_modules/b': { version: '1.0.0', license: 'MIT' },
  };
  const written = tool.licences({ dependencies: { a: '1' } }, { packages });
  t.true(written.includes('| a | 1.0.0 | MIT |\n| b | 2.0.0 | (MIT OR Apache-2.0) |\n'));
  t.false(written.includes('| b | 1.0.0'));
});

test('a missing or unapproved licence ends the command with the name of the package', (t) => {
  const of = (own: object) => () =>
    tool.licences(
      { dependencies: { a: '1' } },
      {
        packages: {
          'node_modules/@tensorflow/tfjs-node-gpu': TENSORFLOW,
          'node_modules/a': { version: '1.0.0', ...own },
        },
      },
    );
  t.throws(of({}), { message: 'a 1.0.0: licence missing: not in ALLOWED' });
  t.throws(of({ license: 'MIT AND GPL-3.0-only' }), {
    message: 'a 1.0.0: licence GPL-3.0-only: not in ALLOWED',
  });
});
