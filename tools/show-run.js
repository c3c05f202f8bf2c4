// The end of `npm start`: it serves the page of its run on a terminal, and otherwise prints the command for it.
// No dependency may be imported here.

/**
 * Serves the page of a run until Ctrl-C on a terminal; otherwise says how to.
 * @param serve runs the program with arguments, until Ctrl-C
 */
export function showRun(folder, isTerminal, serve, print = console.log) {
  if (!isTerminal) {
    print(`  npx haze watch ${folder}    the run as a page in the browser`);
    return;
  }
  print('\nThe run as a page in the browser, until Ctrl-C:');
  serve('watch', folder);
}
