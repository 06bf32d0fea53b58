import { describe, expect, it } from 'vitest';
import { parseChallenges, parseRegistryAuth } from './registry-auth.ts';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('X-Registry-Auth', () => {
  it('holds a password, an identity token or a registry token', () => {
    expect(parseRegistryAuth(encode({ username: 'a', password: 'b', email: '' }))).toEqual({
      username: 'a',
      password: 'b',
    });
    expect(parseRegistryAuth(encode({ identitytoken: 't' }))).toEqual({ identityToken: 't' });
    expect(parseRegistryAuth(encode({ registrytoken: 't' }))).toEqual({ registryToken: 't' });
    const padded = Buffer.from('{"username":"ü?>","password":"~~"}').toString('base64');
    expect(parseRegistryAuth(padded)).toEqual({ username: 'ü?>', password: '~~' });
  });

  it('may be missing or empty, but not damaged, and is never repeated in the error', () => {
    expect(parseRegistryAuth(undefined)).toEqual({});
    expect(parseRegistryAuth(encode({}))).toEqual({});
    const secret = Buffer.from('{"password":"hush"').toString('base64url');
    expect(() => parseRegistryAuth(secret)).toThrow(
      /^X-Registry-Auth is not a base64url-encoded JSON object$/,
    );
  });
});

describe('WWW-Authenticate', () => {
  it('is read with quoted and plain parameters', () => {
    const header =
      'Bearer realm="https://auth.example/token",service="reg, one",scope="repository:a/b:pull,push",error=invalid';
    expect(parseChallenges(header)).toEqual([
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.example/token',
          service: 'reg, one',
          scope: 'repository:a/b:pull,push',
          error: 'invalid',
        },
      },
    ]);
  });

  it('may hold several challenges, or none that can be read', () => {
    const schemes = parseChallenges('Negotiate, Basic realm="a\\"b"').map(({ scheme }) => scheme);
    expect(schemes).toEqual(['negotiate', 'basic']);
    expect(parseChallenges('Basic realm="a\\"b"')[0]?.parameters).toEqual({ realm: 'a"b' });
    expect(parseChallenges('')).toEqual([]);
  });
});
