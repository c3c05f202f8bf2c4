import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { parseAddress, withoutPasswords } from '../../src/queue/address.js';

const parse = (text: string, env: NodeJS.ProcessEnv = {}) => parseAddress('--queue', text, env);

test('an address has a host, and optionally a port, a database, a user and a password', (t) => {
  t.deepEqual(parse('redis://host'), {
    ...{ host: 'host', port: 6379, database: 0, secure: false },
    shown: 'redis://host',
  });
  t.deepEqual(parse('rediss://haze:p%40ss%3A@10.0.0.1:7000/3'), {
    ...{ host: '10.0.0.1', port: 7000, database: 3, secure: true },
    ...{ username: 'haze', password: 'p@ss:' },
    shown: 'rediss://10.0.0.1:7000/3',
  });
  t.like(parse('redis://:secret@[::1]:7000'), { host: '::1', password: 'secret' });
});

test('env stands for REDIS_URL, which the error names if it is missing or invalid', (t) => {
  t.like(parse('env', { REDIS_URL: 'redis://:secret@there' }), { host: 'there' });
  t.throws(() => parse('env'), { instanceOf: UsageError, message: /^--queue: .* REDIS_URL/ });
  t.throws(() => parse('env', { REDIS_URL: 'there' }), { message: /^REDIS_URL: expected redis:/ });
});

test('an invalid address is refused, without repeating a password', (t) => {
  for (const text of [
    'host:6379',
    'http://:secret@host',
    'redis://',
    'redis://:secret@host/two',
    'redis://:secret@host?family=6',
    'redis://:secret@host#there',
    'redis://:secret%zz@host',
    'redis://:secret@host:99999',
    'redis://haze:12#secret@host',
    'redis://haze:12/secret@host',
    'redis://haze:12?secret@host',
  ]) {
    const { message } = t.throws(() => parse(text), { instanceOf: UsageError })!;
    t.regex(message, /^--queue: .*expected /);
    t.notRegex(message, /secret|12/, text);
  }
});

test('a text that repeats an address contains no password', (t) => {
  t.is(
    withoutPasswords('redis://haze:secret@host/1 and rediss://:s3@other: no'),
    'redis://***@host/1 and rediss://***@other: no',
  );
  t.is(withoutPasswords('redis://host/1: a@b'), 'redis://host/1: a@b');
  t.is(withoutPasswords('at redis://haze:s@1#2/3@host, no'), 'at redis://***@host, no');
  const { message } = t.throws(() => parse('env'))!;
  t.is(withoutPasswords(message), message);
});
