import t from 'tap'
import {
  extractFieldPathAsString,
  formatMap,
  isQualifiedName,
  splitSubscript,
} from '../../src/api/field-ref.ts'
import { makePod } from '../helpers/make-objects.ts'

const pod = makePod({
  name: 'p',
  namespace: 'ns',
  uid: 'u-1',
  labels: { b: '2', a: 'one\n', 'x.io/y': 'z' },
  annotations: { Builder: 'bar "x"', 'Example.COM/k': 'v' },
})

const cases: [fieldPath: string, value: string | undefined][] = [
  ['metadata.name', 'p'],
  ['metadata.namespace', 'ns'],
  ['metadata.uid', 'u-1'],
  ['metadata.labels', 'a="one\\n"\nb="2"\nx.io/y="z"'],
  ['metadata.annotations', 'Builder="bar \\"x\\""\nExample.COM/k="v"'],
  ["metadata.labels['a']", 'one\n'],
  ["metadata.labels['x.io/y']", 'z'],
  ["metadata.labels['missing']", ''],
  ["metadata.annotations['Builder']", 'bar "x"'],
  ["metadata.annotations['Example.COM/k']", 'v'],
  ["metadata.labels['Example.COM/k']", undefined],
  ["metadata.labels['-bad']", undefined],
  ["metadata.annotations['-bad']", undefined],
  ["metadata.annotations['missing']", ''],
  ['metadata.labels[\'a"]', undefined],
  ["metadata.labels['a'][0]", undefined],
  ['metadata.labels[a]', undefined],
  ["metadata.labels['']", undefined],
  ["metadata.name['a']", undefined],
  ["['a']", undefined],
  ["a['", undefined],
  ['metadata', undefined],
  ['spec.nodeName', undefined],
  ['status.podIP', undefined],
  ['', undefined],
]
for (const [fieldPath, value] of cases)
  t.equal(
    extractFieldPathAsString(pod, fieldPath),
    value,
    `${fieldPath || '(empty)'} is ${JSON.stringify(value)}`,
  )

t.test('formatMap', async t => {
  t.equal(formatMap(new Map()), '', 'an empty map is an empty file')
  t.equal(
    formatMap(
      new Map([
        ['\u{10000}', '1'],
        ['\uffee', '2'],
      ]),
    ),
    '\uffee="2"\n\u{10000}="1"',
    'sorts by UTF-8 bytes, not by UTF-16 units',
  )
})

t.test('isQualifiedName', async t => {
  const prefix = (length: number) => `${'x'.repeat(length)}/a`
  const good = ['a', 'A.b_c-d', 'a.b/c', 'a.b.c/d', '1', prefix(253)]
  for (const name of [...good, 'x'.repeat(63)])
    t.equal(isQualifiedName(name), true, name)
  const bad = ['', '-a', 'a/', '/a', 'a/b/c', 'A/b', '-a/b', 'a-/b', 'a./b']
  for (const name of [...bad, 'x'.repeat(64), prefix(254)])
    t.equal(isQualifiedName(name), false, name || '(empty)')
})

t.test('a path in two parts (SplitMaybeSubscriptedPath)', async t => {
  const cases = [
    ["metadata.labels['a']", ['metadata.labels', 'a']],
    ["metadata.labels['a['b']", ['metadata.labels', "a['b"]],
    ["metadata.labels['']", ['metadata.labels', '']],
    ["a['b']", ['a', 'b']],
    ["['a']", undefined],
    ["a[']", undefined],
    ["a.b']", undefined],
    ["a['b'", undefined],
    ['a.b', undefined],
  ] as const
  for (const [text, parts] of cases) {
    const found = splitSubscript(text)
    t.same(found && [found.path, found.subscript], parts, text)
  }
})
