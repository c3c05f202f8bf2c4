import { createRequire } from 'node:module';
import type { ExecutionContext } from 'ava';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

/** Asserts that axe finds nothing on a page as it stands. The page has to be opened with `bypassCSP`: it lets no such script in. */
export async function axeFindsNothing(t: ExecutionContext, page: Page): Promise<void> {
  await page.addScriptTag({ path: createRequire(import.meta.url).resolve('axe-core/axe.min.js') });
  const { violations, passes } = (await page.evaluate('axe.run()')) as AxeResults;
  t.deepEqual(
    violations.map(({ id, impact, nodes }) => [id, impact, nodes.map(({ html }) => html)]),
    [],
  );
  t.true(passes.length > 10, `${passes.length} rules`);
}
