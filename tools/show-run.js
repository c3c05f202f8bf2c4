// How `npm start` ends: with the page of its run where somebody looks, and with the command for it where nobody does.
// No dependency may be imported here.

/**
 * On a terminal serves the page of a run until Ctrl-C; otherwise says how to.
 * @param serve runs the program with some words, until Ctrl-C
 */
export function showRun(folder, isTerminal, serve, print = console.log) {
  if (!isTerminal) {
    print(`  npx haze watch ${folder}    the run as a page in the browser`);
    return;
  }
  print('\nThe run as a page in the browser, until Ctrl-C:');
  serve('watch', folder);
}
