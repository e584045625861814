import t from 'tap'
import type { JsonObject } from '../../src/api/json.ts'
import { CustomColumns } from '../../src/cli/look/custom-columns.ts'
import { parseGoTemplate } from '../../src/cli/look/go-template/execute.ts'
import { parseFieldPath } from '../../src/cli/look/jsonpath.ts'
import { sortObjects } from '../../src/cli/look/sort-objects.ts'

/*
 * `-o go-template=`, `-o custom-columns=` and `--sort-by`: what kubectl prints of the same
 * object (test/cli/look-workloads.test.ts asks it).
 */

const object: JsonObject = {
  metadata: { name: 'web', labels: { app: 'web', b: '1' }, nothing: null },
  spec: {
    replicas: 3,
    share: 0.25,
    containers: [
      { name: 'a', command: ['sh', '-c'], ports: [{ port: 80 }] },
      { name: 'b', resources: {} },
    ],
  },
  data: { password: 'aHVudGVyMg==', raw: 'gA==' },
}

t.test('templates', async t => {
  for (const [template, text] of [
    ['{{.metadata.name}} {{.nope}} {{.nope.x.y}}', 'web <no value> <no value>'],
    ['{{.metadata}}', 'map[labels:map[app:web b:1] name:web nothing:<nil>]'],
    [
      '{{1234567.0}} {{1e20}} {{0.00001}} {{123456.5}}',
      '1.234567e+06 1e+20 1e-05 123456.5',
    ],
    ['{{.spec.share}} {{.spec.replicas}}', '0.25 3'],
    [
      '{{range $i, $c := .spec.containers}}{{if $i}}, {{end}}{{$i}}={{$c.name}}{{end}}',
      '0=a, 1=b',
    ],
    [
      '{{range $k, $v := .metadata.labels}}{{$k}}={{$v}};{{end}}',
      'app=web;b=1;',
    ],
    ['{{range .nope}}a{{else}}b{{end}}{{with .nope}}a{{else}}c{{end}}', 'bc'],
    ['{{range .spec.containers}}{{.name}}{{break}}{{end}}', 'a'],
    ['{{range .spec.containers}}{{continue}}x{{end}}', ''],
    ['{{if eq 1 2}}a{{else if eq 1 1}}b{{else}}c{{end}}', 'b'],
    ['{{with $x := .metadata}}{{$x.name}}{{.name}}{{end}}', 'webweb'],
    [
      '{{$x := 5}}{{if true}}{{$x = 6}}{{end}}{{$x}} {{$.metadata.name}}',
      '6 web',
    ],
    ['a {{- /* c */ -}} b {{- "c" -}} d{{/* e */}}', 'abcd'],
    ['{{index .spec.containers 0 "ports" 0 "port"}}', '80'],
    ['{{(index .spec.containers 1).name}}', 'b'],
    ['{{len .metadata}} {{len "é"}} {{len .spec.containers}}', '3 2 2'],
    ['{{eq .spec.replicas 3}} {{eq .metadata.name "x" "web"}}', 'true true'],
    ['{{eq .nope "x"}} {{ne .nope "x"}} {{eq nil .nope}}', 'false true true'],
    [
      '{{lt 1 2}} {{le 2 2}} {{gt 3 2}} {{ge 1 2}} {{lt "a" "b"}}',
      'true true true false true',
    ],
    ['{{and 1 0 2}} {{or 0 "" "x"}} {{not 1}}', '0 x false'],
    ['{{and .nope .nope.x}} {{or true (index .nope "x")}}', '<no value> true'],
    [
      '{{.metadata.name | printf "%s-%s" "a"}} {{.metadata.name | len}}',
      'a-web 3',
    ],
    [
      '{{printf "%s %d %q %t %x %5s|%-5s|%05d %.2f %% %+d" "w" 5 "a\\"b" true "hi" "a" "b" 42 1.5 7}}',
      'w 5 "a\\"b" true 6869     a|b    |00042 1.50 % +7',
    ],
    [
      '{{printf "%d %s %z" .spec.replicas .spec.replicas "x"}} {{printf "%s" .nope}} {{printf "%s"}} {{printf "x" "a"}}',
      '3 %!s(int64=3) %!z(string=x) %!s(<nil>) %!s(MISSING) x%!(EXTRA string=a)',
    ],
    ['{{print 1 2 "a" "b" 3 .nope}}|{{println "a" 1}}', '1 2ab3 <nil>|a 1\n'],
    ['{{.data.password | base64decode}}', 'hunter2'],
    ['{{exists . "metadata" "name"}} {{exists . "x"}}', 'true false'],
    [
      '{{slice .metadata.name 1 2}} {{html "<a>"}} {{urlquery "a b&~*"}}',
      'e &lt;a&gt; a+b%26~%2A',
    ],
    [
      '{{\'a\'}} {{0x10}} {{1_000}} {{-5}} {{`r\\n`}} {{"\\u00e9\\x41"}}',
      '97 16 1000 -5 r\\n éA',
    ],
  ] as const)
    t.equal(parseGoTemplate(template)(object), text, template)
})

t.test('templates that are wrong, or do not fit', async t => {
  for (const [template, message] of [
    ['{{.metadata.name', 'unclosed action'],
    ['{{foo}}', 'function "foo" not defined'],
    ['{{if}}', 'missing value for if'],
    ['{{end}}', 'unexpected {{end}}'],
    ['{{range .x}}', 'unexpected EOF'],
    ['{{$nope}}', 'undefined variable "$nope"'],
    ['{{"x" | 1}}', 'non executable command in pipeline stage 2'],
    ['{{if true}}a{{else}}b{{else}}c{{end}}', 'expected end; found {{else}}'],
    ['{{break}}', '{{break}} outside {{range}}'],
    ['{{"a}}', 'unterminated quoted string'],
    ['{{define "a"}}x{{end}}', 'podfs has no {{define}}'],
    ['{{js "x"}}', 'podfs has no function "js"'],
  ] as const)
    t.throws(
      () => parseGoTemplate(template),
      {
        message: `error parsing template ${template}, template: output:1: ${message}`,
      },
      template,
    )
  for (const [template, message] of [
    [
      '{{.metadata.name.x}}',
      '1:11: executing "output" at <.metadata.name.x>: can\'t evaluate field x in type interface {}',
    ],
    [
      '{{.metadata.nothing.x}}',
      '1:11: executing "output" at <.metadata.nothing.x>: nil pointer evaluating interface {}.x',
    ],
    [
      '{{index .spec.containers 5}}',
      '1:2: executing "output" at <index .spec.containers 5>: error calling index: index out of range: 5',
    ],
    [
      '{{eq .spec.replicas 3.0}}',
      '1:2: executing "output" at <eq .spec.replicas 3.0>: error calling eq: incompatible types for comparison',
    ],
    ['{{nil}}', '1:2: executing "output" at <nil>: nil is not a command'],
    [
      '{{1 2}}',
      '1:2: executing "output" at <1>: can\'t give argument to non-function 1',
    ],
    [
      '{{len}}',
      '1:2: executing "output" at <len>: wrong number of args for len: want 1 got 0',
    ],
    [
      '{{base64decode "!!"}}',
      '1:2: executing "output" at <base64decode "!!">: error calling base64decode: base64 decode failed: illegal base64 data at input byte 0',
    ],
    [
      '{{base64decode .data.raw}}',
      '1:2: executing "output" at <base64decode .data.raw>: error calling base64decode: the bytes are not UTF-8: -o jsonpath=... | base64 -d prints them',
    ],
  ] as const)
    t.throws(
      () => parseGoTemplate(template)(object),
      {
        message: `error executing template ${JSON.stringify(template)}: template: output:${message}`,
      },
      template,
    )
})

t.test('custom columns', async t => {
  const columns = CustomColumns.fromSpec(
    'NAME:.metadata.name,L:metadata.labels,C:{.spec.containers[*].name},X:.nope',
  )
  t.equal(
    columns.print([object], false),
    'NAME   L                  C     X\nweb    map[app:web b:1]   a,b   <none>\n',
  )
  t.equal(
    columns.print([object], false),
    'web    map[app:web b:1]   a,b   <none>\n',
    'the headers come once, and the widths stay',
  )
  const file = CustomColumns.fromTemplate(
    'NAME  N\nmetadata.name {.spec.replicas}\n',
  )
  t.equal(file.print([object], true), 'web   3\n')
  for (const [make, message] of [
    [() => CustomColumns.fromSpec(''), /no custom columns given/],
    [
      () => CustomColumns.fromSpec('NAME'),
      /expected <header>:<json-path-expr>/,
    ],
    [() => CustomColumns.fromSpec('A:{.x}{.y}'), /unexpected path string/],
    [() => CustomColumns.fromTemplate(''), /missing header line/],
    [() => CustomColumns.fromTemplate('A'), /missing spec line/],
    [() => CustomColumns.fromTemplate('A B\nx'), /number of headers \(2\)/],
  ] as const)
    t.throws(make, { message })
})

t.test('--sort-by', async t => {
  const sorted = (values: readonly unknown[], path = '.v') =>
    sortObjects(
      values.map(v => (v === undefined ? {} : { v }) as JsonObject),
      parseFieldPath(path),
      each => each,
    ).map(({ v }) => v)
  t.strictSame(sorted(['web-10', 'web-9', 'a']), ['a', 'web-9', 'web-10'])
  t.strictSame(
    sorted([3, undefined, 1]),
    [undefined, 1, 3],
    'without it: first',
  )
  t.strictSame(sorted(['1Gi', '5Mi', '100m']), ['100m', '5Mi', '1Gi'])
  t.strictSame(sorted([]), [])
  t.throws(() => sorted([1], '.nope'), {
    message:
      'couldn\'t find any field with path "{.nope}" in the list of objects',
  })
  t.throws(() => sorted([{ a: 1 }]), { message: /without an order/ })
})
