import { describe, expect, it } from 'vitest';
import { canonicalName, familiarName, parseReference } from './reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

describe('image references', () => {
  it.each([
    ['nginx', 'docker.io/library/nginx:latest', 'nginx:latest'],
    ['nginx:1.25', 'docker.io/library/nginx:1.25', 'nginx:1.25'],
    ['user/app', 'docker.io/user/app:latest', 'user/app:latest'],
    ['index.docker.io/user/app', 'docker.io/user/app:latest', 'user/app:latest'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest', 'nginx:latest'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1', 'localhost:5000/app:v1'],
    ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app:latest'],
    ['reg.example/a/b__c-d:T.1', 'reg.example/a/b__c-d:T.1', 'reg.example/a/b__c-d:T.1'],
    [`nginx@${digest}`, `docker.io/library/nginx@${digest}`, `nginx@${digest}`],
    [`nginx:1@${digest}`, `docker.io/library/nginx@${digest}`, `nginx@${digest}`],
  ])('%s is %s, shown as %s', (text, canonical, familiar) => {
    expect(canonicalName(parseReference(text))).toBe(canonical);
    expect(familiarName(parseReference(text))).toBe(familiar);
    expect(canonicalName(parseReference(canonical))).toBe(canonical);
  });

  it.each([
    '',
    ':tag',
    'a..b',
    'a/',
    '/a',
    'a//b',
    'a:',
    'a: b',
    'a@sha256:short',
    'a@md5:x',
    '-a',
    'a/B',
    `a:${'t'.repeat(129)}`,
    `${'a/'.repeat(130)}a`,
    'a'.repeat(64),
    'http://a/b',
  ])('%j is refused', (text) => {
    expect(() => parseReference(text)).toThrow(/invalid re/);
  });
});
