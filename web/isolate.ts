/** Where a visitor's page was loaded once more to be isolated, so that it is not loaded for ever. */
const TRIED = 'haze-isolation';

/**
 * Has a service worker isolate the page where the host does not, by loading it once more.
 * @returns whether the page is about to be loaded again
 */
export async function isolate(): Promise<boolean> {
  if (crossOriginIsolated || !isSecureContext || !('serviceWorker' in navigator)) return false;
  if (sessionStorage.getItem(TRIED) !== null) return false;
  try {
    await navigator.serviceWorker.register('isolation.js');
    await navigator.serviceWorker.ready;
  } catch {
    return false; // The visitor's browser does not want it: one worker draws.
  }
  sessionStorage.setItem(TRIED, 'yes');
  location.reload();
  return true;
}
