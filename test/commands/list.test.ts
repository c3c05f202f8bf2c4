import test from 'ava';
import { COMMON_FLAGS } from '../../src/commands/command.js';
import { COMMANDS } from '../../src/commands/list.js';

test('No command has two flags of one name', (t) => {
  for (const { name, groups } of COMMANDS) {
    const flags = [...Object.values(groups), COMMON_FLAGS].flatMap(Object.keys);
    const twice = flags.filter((flag, i) => flags.indexOf(flag) !== i);
    t.deepEqual(twice, [], name);
  }
});
