/*
 * A service worker that sends the page's own files with the two headers of cross-origin isolation, for hosts that cannot set headers.
 * With them the page may share memory among workers.
 */
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  if (new URL(event.request.url).origin === self.location.origin)
    event.respondWith(isolated(event.request));
});

async function isolated(request) {
  const response = await fetch(request);
  // The host redirects, e.g. from index.html to its folder: the browser follows, and its next request comes here again.
  if (response.type === 'opaqueredirect') return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
