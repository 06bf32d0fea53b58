import { describe, expect, it } from 'vitest';
import type { ContainerSpec, ServiceSpec } from '../spec/index.ts';
import { checkTemplates, expandContainer, expandText, type TemplateData } from './index.ts';

const DATA: TemplateData = {
  service: {
    id: 's1',
    name: 'web',
    labels: { tier: 'front', 'com.example.x': 'dotted', zone: 'b' },
  },
  task: { id: 't1', slot: 3 },
  node: { id: 'n1', hostname: 'h1', platform: { os: 'linux', architecture: 'x86_64' } },
};

const expand = (text: string): string => expandText(text, DATA);

describe('templates', () => {
  it.each([
    ['{{.Service.Name}}-{{.Task.Slot}}', 'web-3'],
    ['{{ .Node.Hostname }}/{{.Node.ID}}', 'h1/n1'],
    ['{{.Service.ID}}{{.Task.ID}}', 's1t1'],
    ['{{.Task.Name}}', 'web.3.t1'],
    ['{{.Node.Platform.OS}}-{{.Node.Platform.Architecture}}', 'linux-x86_64'],
    ['{{.Service.Labels.tier}}', 'front'],
    ['{{index .Service.Labels "com.example.x"}}', 'dotted'],
    ['[{{index .Service.Labels "none"}}]', '[]'],
    ['plain $HOME {x} }}', 'plain $HOME {x} }}'],
    ['{{"{{"}}.ID{{"}}"}}', '{{.ID}}'],
    ['{{`{{`}}', '{{'],
    ['{{"a\\tb\\u00e9\\x41"}}', 'a\tbéA'],
    ['a {{- /* nothing */ -}} b', 'ab'],
    ['a {{- "x" -}}  b', 'axb'],
    ['{{printf "%s-%03d" .Service.Name 7}}', 'web-007'],
    ['{{.Task.Slot | printf "%03s"}}', '003'],
    [
      '{{printf "%q %5s|%-5s|%x %v %t %T %%" "a" "b" "c" 255 1.5 true .Service.Labels}}',
      '"a"     b|c    |ff 1.5 true map[string]string %',
    ],
    [
      '{{printf "%d" "x"}}{{printf "%s"}}{{printf "a" 1}}',
      '%!d(string=x)%!s(MISSING)a%!(EXTRA int=1)',
    ],
    [
      '{{if eq .Task.Slot "1"}}first{{else if eq .Task.Slot "3"}}third{{else}}other{{end}}',
      'third',
    ],
    ['{{with .Service.Labels.tier}}<{{.}}>{{else}}none{{end}}', '<front>'],
    [
      '{{range $k, $v := .Service.Labels}}{{$k}}={{$v}};{{end}}',
      'com.example.x=dotted;tier=front;zone=b;',
    ],
    ['{{range .Service.Labels}}{{if eq . "front"}}{{break}}{{end}}{{.}}{{end}}', 'dotted'],
    ['{{range 3}}{{.}}{{end}}', '012'],
    ['{{$x := "a"}}{{if true}}{{$x = "b"}}{{$y := 1}}{{end}}{{$x}}', 'b'],
    ['{{define "t"}}<{{.}}>{{end}}{{template "t" .Service.Name}}', '<web>'],
    ['{{block "t" .Node}}{{.Hostname}}{{$.ID}}{{end}}', 'h1n1'],
    ['{{len "é"}}{{slice "abcdef" 1 3}}{{index "abc" 1}}{{len .Service.Labels}}', '2bc983'],
    ['{{join "," "a" "b"}}{{print 1 2 "a" "b" 3}}{{println "x"}}', 'a,b1 2ab3x\n'],
    ['{{html "<a&b>"}}{{js "it\'s"}}{{urlquery "a b&c"}}', "&lt;a&amp;b&gt;it\\'sa+b%26c"],
    ['{{and 1 0}}{{or "" "y"}}{{not ""}}{{(index .Service.Labels "tier") | len}}', '0ytrue5'],
    ['{{.Service}}', '{s1 web map[com.example.x:dotted tier:front zone:b]}'],
    ["{{'a'}} {{0x1f}} {{1_000}} {{-5}} {{1e3}} {{.5}}", '97 31 1000 -5 1000 0.5'],
    ['{{lt 1 2 | and (gt "b" "a")}}', 'true'],
  ])('%s becomes %s', (text, result) => {
    expect(expand(text)).toBe(result);
  });

  it.each([
    [
      '{{.Node.hostname}}',
      /executing "expansion" at <\.Node\.hostname>: can't evaluate field hostname in type struct/,
    ],
    ['{{.Nope}}', /can't evaluate field Nope in type \*template\.Context/],
    ['{{.Service.Labels.none}}', /map has no entry for key "none"/],
    ['{{.Task.Name', /expansion:1: unclosed action/],
    ['a\n{{foo}}', /expansion:2: function "foo" not defined/],
    ['{{if true}}', /unexpected EOF/],
    ['{{end}}', /unexpected \{\{end\}\}/],
    ['{{else}}', /unexpected \{\{else\}\}/],
    ['{{}}', /missing value for command/],
    ['{{$x}}', /undefined variable "\$x"/],
    ['{{break}}', /outside \{\{range\}\}/],
    ['{{"a}}', /unterminated quoted string/],
    ['{{/* a }}', /unclosed comment/],
    ['{{template "x"}}', /template "x" not defined/],
    ['{{.Task.Slot 1}}', /has arguments but cannot be invoked as function/],
    ['{{eq 1 "1"}}', /incompatible types for comparison/],
    ['{{index "abc" 9}}', /index out of range/],
    ['{{len 3}}', /len of type int/],
    ['{{call .Task.Name}}', /non-function/],
    ['{{define "a"}}{{template "a"}}{{end}}{{template "a"}}', /too deep/],
    ['{{range 1000}}{{range 1000}}x{{end}}{{end}}', /more than 200000 steps/],
    ['{{printf "%9999999d" 1}}{{printf "%9999999d" 1}}', /longer than|more than/],
    ['{{$x := "abcd"}}{{range 40}}{{$x = print $x $x}}{{end}}', /arguments of more than/],
    ['{{range 99999}}{{printf "%200000d" 1 | len}}{{end}}', /more than 200000 steps/],
    ['{{@}}', /unexpected "@}}" in operand/],
    ['{{1x}}', /bad number syntax/],
    [`${'{{if 1}}'.repeat(200)}${'{{end}}'.repeat(200)}`, /nested too deep/],
    [`{{${'('.repeat(200)}1${')'.repeat(200)}}}`, /nested too deep/],
  ])('%s is refused', (text, message) => {
    expect(() => expand(text)).toThrow(message);
  });

  it('take time in proportion to their length, however odd', { timeout: 5_000 }, () => {
    const length = 60_000;
    const odd = [
      '{{',
      '{{ ',
      '{{-',
      '{{"',
      '{{`',
      '{{/*',
      '{{.',
      '{{$',
      '{{(',
      '{{1',
      '{{a}}',
      '{{1}}',
      '}}',
      '{{- -}}',
    ];
    for (const unit of odd) {
      const text = unit.repeat(Math.floor(length / unit.length));
      try {
        expand(text);
      } catch {
        // Most are no templates: it is the time that counts.
      }
    }
  });

  it('of one container share their steps', () => {
    const Env = Array.from({ length: 50 }, () => 'A={{range 9000}}x{{end}}');
    expect(() => expandContainer({ Image: 'x', Env }, DATA)).toThrow('more than 200000 steps');
  });

  it('are not expanded beyond a length', () => {
    expect(() => expand(`{{1}}${'x'.repeat(70_000)}`)).toThrow('at most 65536 are expanded');
    expect(expand('x'.repeat(70_000))).toHaveLength(70_000);
  });
});

describe('a container', () => {
  it('has templates in variables, hostname and mounts', () => {
    const spec: ContainerSpec = {
      Image: '{{x}}',
      Args: ['{{x}}'],
      Env: ['A{{=x', 'B={{.Task.Slot}}={{.Task.Slot}}', '{{.x}}={{.Service.Name}}'],
      Hostname: '{{.Service.Name}}{{.Task.Slot}}',
      Mounts: [
        {
          Type: 'volume',
          Source: 'v{{.Task.Slot}}',
          Target: '/d/{{.Node.Hostname}}',
          VolumeOptions: {
            Labels: { '{{k}}': '{{.Task.ID}}' },
            DriverConfig: { Name: 'local', Options: { device: '/x/{{.Task.Slot}}' } },
          },
        },
      ],
    };
    expect(expandContainer(spec, DATA)).toEqual({
      ...spec,
      Env: ['A{{=x', 'B=3=3', '{{.x}}=web'],
      Hostname: 'web3',
      Mounts: [
        {
          Type: 'volume',
          Source: 'v3',
          Target: '/d/h1',
          VolumeOptions: {
            Labels: { '{{k}}': 't1' },
            DriverConfig: { Name: 'local', Options: { device: '/x/3' } },
          },
        },
      ],
    });
  });
});

describe('a spec', () => {
  const service = (container: Partial<ContainerSpec>): ServiceSpec => ({
    Name: 'web',
    Labels: { a: 'b' },
    Mode: {},
    TaskTemplate: { ContainerSpec: { Image: 'x', ...container } },
  });

  it('is checked before there is a task', () => {
    expect(() =>
      checkTemplates(service({ Env: ['A={{.Service.Labels.a}}{{.Task.Slot}}'] })),
    ).not.toThrow();
    expect(() => checkTemplates(service({ Env: ['K={{.Node.hostname}}'] }))).toThrow(
      /^expanding env failed: expanding env "K=\{\{.Node.hostname\}\}": template: expansion:1:2: executing/,
    );
    expect(() => checkTemplates(service({ Hostname: '{{' }))).toThrow(
      /^expanding hostname failed: template: expansion:1: unclosed action/,
    );
    expect(() => checkTemplates(service({ Mounts: [{ Target: '/{{.X}}' }] }))).toThrow(
      /^expanding mounts failed: expanding mount target/,
    );
  });
});
