/** The page of `haze export web`, as a visitor uses it. */
import type { Page } from 'playwright-core';

/** What a visitor chooses, by the controls' ids. */
export type Choices = Readonly<Record<string, string>>;

/** Opens the page, once more where its service worker has it opened so, until it can draw. */
export async function openSitePage(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.locator('#draw:enabled').waitFor();
}

export async function choose(page: Page, choices: Choices): Promise<void> {
  for (const [id, value] of Object.entries(choices)) {
    const control = page.locator(`#${id}`);
    if ((await control.evaluate((e) => e.tagName)) === 'SELECT') await control.selectOption(value);
    else await control.fill(value);
  }
}

/** Draws, and resolves to what the page says when it is done. */
export async function drawOn(page: Page, choices: Choices): Promise<string> {
  await choose(page, choices);
  await page.locator('#draw').click();
  return said(page);
}

/** What the page says once it draws no more. */
export async function said(page: Page): Promise<string> {
  await page.locator('#draw:enabled').waitFor();
  return (await page.locator('#status').textContent()) ?? '';
}

/** `digest` of the picture's pixels, three bytes each. It is made in the page: a list of them would take playwright a minute. */
export const picturesDigest = (page: Page): Promise<string> => page.evaluate(DIGEST);

/** The same as an expression, for any browser. */
export const DIGEST = `(async () => {
  const canvas = document.getElementById('picture');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const hash = await crypto.subtle.digest('SHA-256', data.filter((_, i) => i % 4 < 3));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
})()`;
