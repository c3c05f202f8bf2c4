/** A flag in a message, or a word of the command line. */
const FLAG = /(^|[\s(`'])(?:--(no-)?([a-z][a-z0-9-]*)|<(data|model)>)/g;

/**
 * A message that names settings the way a program does.
 * @param nameOf the setting of a flag; undefined if the program has no such setting
 * @param placed where the setting is given, for the one that the message begins with, which is at fault; the others belong to it or
 *   conflict with it
 */
export function respellFlags(
  text: string,
  nameOf: (flag: string) => string | undefined,
  placed: (name: string) => string,
): string {
  return text.replaceAll(
    FLAG,
    (whole, before: string, no, flag: string | undefined, given: string, at: number) => {
      const name = flag === undefined ? given : nameOf(flag);
      if (name === undefined) return whole;
      return `${before}${at === 0 ? placed(name) : name}${no ? ': false' : ''}`;
    },
  );
}

/** `beta-start` → `betaStart`. */
export const camel = (flag: string): string =>
  flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
