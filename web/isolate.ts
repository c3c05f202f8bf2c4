/** Where a visitor's page was loaded once more to be isolated, so that it is not loaded for ever. Other pages may share the origin. */
const TRIED = `haze-isolation ${new URL('.', location.href).pathname}`;

/**
 * Has a service worker isolate the page where the host does not, by loading it once more.
 * @returns whether the page is about to be loaded again
 */
export async function isolate(): Promise<boolean> {
  if (crossOriginIsolated || !isSecureContext || !('serviceWorker' in navigator)) return false;
  if (sessionStorage.getItem(TRIED) !== null) return false;
  try {
    if (!(await isActive(await navigator.serviceWorker.register('isolation.js')))) return false;
  } catch {
    return false; // The visitor's browser does not want it: one worker draws.
  }
  sessionStorage.setItem(TRIED, 'yes');
  location.reload();
  return true;
}

/** Waits for a worker to be active; one that fails never is. Whoever blocks service workers may give no registration at all. */
async function isActive(registration: ServiceWorkerRegistration | undefined): Promise<boolean> {
  const worker = registration?.installing ?? registration?.waiting ?? registration?.active;
  if (!worker) return false;
  return new Promise((resolve) => {
    const look = () => {
      if (worker.state === 'activated' || worker.state === 'redundant')
        resolve(worker.state === 'activated');
    };
    worker.addEventListener('statechange', look);
    look();
  });
}
