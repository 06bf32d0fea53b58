// The driver itself: it must fail where a script and the package differ, and where it does not
// understand a script.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { replayDirectory, type ScriptResult } from './replay-directory.ts';

const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

function replayText(language: string, text: string): ScriptResult {
  const directory = mkdtempSync(join(tmpdir(), 'raft-scripts-'));
  directories.push(directory);
  mkdirSync(join(directory, language));
  writeFileSync(join(directory, language, 'script.txt'), text);
  const [result] = replayDirectory(directory);
  if (result === undefined) throw new Error('the script was not found');
  return result;
}

const script = (path: string): string =>
  readFileSync(new URL(`testdata/${path}`, import.meta.url), 'utf8');

describe('a script whose output is changed', () => {
  it.each([
    ['interaction', 'interaction/campaign.txt', 'MsgVoteResp Term:1', 'MsgVoteResp Term:2'],
    ['interaction', 'interaction/single_node.txt', '1/4 EntryNormal', '1/5 EntryNormal'],
    ['confchange', 'confchange/update.txt', 'StateProbe', 'StateReplicate'],
    ['quorum', 'quorum/majority_vote.txt', 'VoteWon', 'VoteLost'],
  ])('%s: fails (%s)', (language, path, from, to) => {
    const text = script(path);
    const at = text.lastIndexOf(from);
    expect(at).toBeGreaterThan(text.indexOf('----'));
    expect(replayText(language, text).differences).toEqual([]);
    const changed = text.slice(0, at) + to + text.slice(at + from.length);
    expect(replayText(language, changed).differences).toHaveLength(1);
  });

  it('fails for a line more or less, but not for log lines', () => {
    const text = 'add-nodes 1 voters=(1) index=2\n----\nINFO 1 became follower\n  DEBUG x\nok\n';
    expect(replayText('interaction', text).differences).toEqual([]);
    const longer = text.replace('ok', 'ok\n1 became follower');
    expect(replayText('interaction', longer).differences).toMatchObject([{ line: 1 }]);
  });
});

describe('a script that asks for the unknown', () => {
  const start = 'add-nodes 3 voters=(1,2,3) index=2\n----\nok\n\n';
  it.each([
    ['interaction', `${start}dance 1\n----\nok\n`, ':5: unknown command dance'],
    ['interaction', `${start}campaign 1 fast=true\n----\n`, ':5: campaign takes no argument fast'],
    ['interaction', `${start}campaign\n----\n`, ':5: campaign takes 1 bare arguments, not 0'],
    ['interaction', `${start}campaign x\n----\n`, ':5: campaign: x is no number'],
    ['interaction', `${start}campaign 9\n----\n`, ':5: no member 9'],
    ['interaction', `${start}deliver-msgs 1 type=MsgX\n----\n`, ':5: unknown message type MsgX'],
    ['interaction', `${start}deliver-msgs 1 drop=(1)\n----\n`, ':5: messages to 1 are both'],
    [
      'interaction',
      `${start}transfer-leadership from=1\n----\n`,
      ':5: transfer-leadership needs to=',
    ],
    ['interaction', `${start}status 1\nv1\n----\n`, ':5: status takes no input'],
    ['interaction', `add-nodes 1 prevote=maybe\n----\n`, ':1: prevote is true or false, not maybe'],
    ['interaction', `add-nodes 1\n`, ':1: command without ----'],
    [
      'quorum',
      'committed cfg=(1) idx=(5) speed=9\n----\n',
      ':1: committed takes no argument speed',
    ],
    ['quorum', 'count cfg=(1)\n----\n', ':1: unknown command count'],
    ['quorum', 'vote cfg=(1) votes=(x)\n----\n', ':1: unknown vote x'],
    ['confchange', 'double\nv1\n----\n', ':1: unknown command double'],
  ])('%s: %j is an error', (language, text, message) => {
    expect(replayText(language, text).error).toContain(`script.txt${message}`);
  });
});

describe('what the language answers to bad input', () => {
  const start = 'add-nodes 1 voters=(1) index=2 content=foo\n----\nok\n\n';
  it.each([
    [
      'interaction',
      `add-nodes 1 voters=(1) index=1\n----\nindex must be specified as > 1 due to bootstrap\n`,
    ],
    [
      'interaction',
      `add-nodes 1 voters=(1) index=2 read-only=new\n----\ninvalid read-only option "new"\n`,
    ],
    ['interaction', `${start}deliver-msgs 1\n----\nno messages\n`],
    ['interaction', `${start}propose-conf-change 1\nx4\n----\nunknown input: x4\n`],
    [
      'interaction',
      `${start}propose-conf-change 1 transition=fast\nv4\n----\nunknown transition fast\n`,
    ],
    [
      'interaction',
      `${start}propose-conf-change 1 v1=true\nv4 v5\n----\nv1 conf change can only have one operation and no transition\n`,
    ],
    [
      'interaction',
      `${start}log-level none\n----\nok\n\npropose 1 x\n----\nraft proposal dropped\n`,
    ],
    [
      'interaction',
      `${start}log-level loud\n----\nlog levels must be either of [DEBUG INFO WARN ERROR FATAL NONE]\n`,
    ],
    [
      'quorum',
      'vote cfg=(2,1) votes=(y)\n----\nerror: mismatched input (explicit or _) for voters map[1:{} 2:{}]: [2]\n',
    ],
    ['confchange', 'leave-joint\nv1\n----\nthis command takes no input\n'],
  ])('%s: %j', (language, text) => {
    const { differences, error } = replayText(language, text);
    expect(error).toBeUndefined();
    expect(differences).toEqual([]);
  });
});
