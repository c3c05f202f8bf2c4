/** Entries shown of a list; a longer one is truncated. */
const MOST_SHOWN = 16;
const FIRST = 4;

/** A value as the user would write it. */
export function show(value: unknown): string {
  if (value === null || (Array.isArray(value) && value.length === 0)) return 'none';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (Array.isArray(value) && value.length > MOST_SHOWN)
    return `${value.slice(0, FIRST).join(',')},… (${value.length} values)`;
  if (Array.isArray(value)) return value.join(',');
  if (typeof value === 'object') return Object.values(value).join(' ');
  return String(value);
}
