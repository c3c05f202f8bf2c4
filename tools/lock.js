// The dependency graph in package-lock.json.

/** The entry of `packages` to which Node resolves a dependency of the package at `from`. */
function resolve(packages, from, name) {
  for (
    let folder = from;
    ;
    folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))
  ) {
    const path = `${folder}${folder && '/'}node_modules/${name}`;
    if (packages[path]) return path;
    if (folder === '') return undefined;
  }
}

/** Paths of some packages and all their dependencies, on any platform, in the lock file's order. */
export function closure(packages, names) {
  const found = new Set();
  const visit = (path) => {
    if (path === undefined || found.has(path)) return;
    found.add(path);
    const { dependencies, optionalDependencies } = packages[path];
    for (const inner of Object.keys({ ...dependencies, ...optionalDependencies }))
      visit(resolve(packages, path, inner));
  };
  for (const name of names) visit(resolve(packages, '', name));
  return Object.keys(packages).filter((path) => found.has(path));
}

/** The name of the package at a path of the lock file. */
export const nameOf = (path) =>
  path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
