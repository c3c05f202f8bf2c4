/** Lines for the hashes that differ between versions. `bits` has hashes by name, by version. */
export function differences(bits) {
  const versions = Object.keys(bits);
  const names = new Set(versions.flatMap((version) => Object.keys(bits[version])));
  return [...names].flatMap((name) => {
    const hashes = versions.map((version) => bits[version][name] ?? 'none');
    if (new Set(hashes).size === 1) return [];
    const found = versions.map((version, i) => `${version} ${hashes[i].slice(0, 12)}`);
    return [`other bits: ${name}: ${found.join(', ')}`];
  });
}
