/** Marks a page that was reloaded once, so that it is not reloaded forever. It has the path, since other pages may share the origin. */
const TRIED = `haze-isolation ${new URL('.', location.href).pathname}`;

/**
 * If the host does not isolate the page, lets a service worker do so, and reloads the page once.
 * @returns whether the page is about to be reloaded
 */
export async function isolate(): Promise<boolean> {
  if (crossOriginIsolated || !isSecureContext || !('serviceWorker' in navigator)) return false;
  if (sessionStorage.getItem(TRIED) !== null) return false;
  try {
    if (!(await isActive(await navigator.serviceWorker.register('isolation.js')))) return false;
  } catch {
    return false; // The browser does not allow it: one worker draws.
  }
  sessionStorage.setItem(TRIED, 'yes');
  location.reload();
  return true;
}

/** Waits until a worker is active, or has failed. A browser that blocks service workers may return no registration. */
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
