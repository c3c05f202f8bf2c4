/** A copy of JSON data with one field changed, by its path (`guide.model`); undefined removes it. */
export function changed(data: unknown, path: string, value: unknown): unknown {
  const root = JSON.parse(JSON.stringify(data)) as Record<string, unknown>;
  const names = path.split('.');
  let at = root;
  for (const name of names.slice(0, -1)) at = at[name] as Record<string, unknown>;
  at[names.at(-1)!] = value;
  return root;
}
