import { hostname } from 'node:os';
import test from 'ava';
import { inUrl, isOwnHost } from '../../src/watch/hosts.js';

test('a server answers only to its own address and the names of this machine', (t) => {
  for (const own of ['127.0.0.1:80', 'localhost:1234', 'LOCALHOST', '[::1]:9', '127.0.0.1'])
    t.true(isOwnHost('127.0.0.1', own), own);
  for (const other of [
    ...[
      'evil.example',
      'evil.example:80',
      '10.0.0.1:80',
      'localhost.evil.example',
      '127.0.0.1.nip.io',
    ],
    ...['', 'localhost:80:80', 'localhost/', '[::1', '::1', 'localhost@evil', '127.1', '0'],
  ])
    t.false(isOwnHost('127.0.0.1', other), other);
  t.false(isOwnHost('127.0.0.1', undefined));
});

test('a given host is accepted; one that stands for all addresses accepts addresses but no other names', (t) => {
  t.true(isOwnHost('192.168.1.5', '192.168.1.5:8080'));
  t.true(isOwnHost('Box.local', 'box.local:80'));
  t.false(isOwnHost('192.168.1.5', '192.168.1.6'));
  for (const host of ['0.0.0.0', '::']) {
    t.true(isOwnHost(host, '192.168.1.5:80'));
    t.true(isOwnHost(host, '[fe80::1]:80'));
    t.true(isOwnHost(host, hostname()));
    t.false(isOwnHost(host, 'evil.example'));
  }
});

test('an IPv6 address is written in brackets', (t) => {
  t.is(inUrl('::1'), '[::1]');
  t.is(inUrl('127.0.0.1'), '127.0.0.1');
});
