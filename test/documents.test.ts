import { existsSync, readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { COMMANDS } from '../src/commands/list.js';

const root = new URL('../../', import.meta.url);
const markdownIn = (folder: string) =>
  readdirSync(new URL(folder, root))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}${name}`);
const guides = markdownIn('docs/guides/');
const documents = [...markdownIn('./'), ...markdownIn('docs/'), ...guides, 'examples/README.md'];
const text = (name: string | URL) => readFileSync(new URL(name, root), 'utf8');

test('the README or a guide documents every flag', (t) => {
  const documented = ['README.md', ...guides].map(text).join('\n');
  const flags = new Set(
    COMMANDS.flatMap(({ groups }) => Object.values(groups).flatMap((group) => Object.keys(group))),
  );
  t.true(flags.size > 100);
  for (const flag of flags)
    t.regex(documented, new RegExp(`--(no-)?${flag}(?![\\w-])`), `--${flag}`);
});

test('the README and the first page of the site link to every guide', (t) => {
  const [readme, index] = [text('README.md'), text('docs/guides/index.md')];
  for (const guide of guides.filter((name) => !name.endsWith('/index.md'))) {
    t.true(readme.includes(`](${guide})`), guide);
    t.true(index.includes(`](${guide.replace('docs/guides/', '')})`), guide);
  }
});

const withoutCode = (markdown: string) => markdown.replaceAll(/^```[\s\S]*?^```/gm, '');

/** The anchors of a document's headings, as GitHub makes them. */
const anchorsOf = (markdown: string): string[] =>
  [...withoutCode(markdown).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

test('every link within the documents leads to a file, and to a heading if it names one', (t) => {
  let links = 0;
  for (const document of documents)
    for (const [, target] of withoutCode(text(document)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      const { href, hash } = new URL(target!, new URL(document, root));
      const file = new URL(href.slice(0, href.length - hash.length));
      t.true(existsSync(file), `${document}: ${target}`);
      if (hash)
        t.true(anchorsOf(text(file)).includes(decodeURI(hash.slice(1))), `${document}: ${target}`);
      links++;
    }
  t.true(links > 100, `${links} links`);
});
