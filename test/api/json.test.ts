import t from 'tap'
import { items, nameOf, part, text } from '../../src/api/json.ts'
import { describeType, type Value } from '../../src/api/value.ts'

t.test('steps into what only the server knows', async t => {
  const object = { metadata: { name: 'a' }, list: [{ b: 1 }] }
  t.equal(nameOf(object), 'a')
  t.equal(nameOf({}), '')
  t.same(part(object, 'metadata'), { name: 'a' })
  t.same(part(object, 'missing'), {})
  t.same(items(object, 'list'), [{ b: 1 }])
  t.same(items(object, 'missing'), [])
})

t.test('a value as text', async t => {
  const rows = [
    [undefined, ''],
    [null, ''],
    ['a', 'a'],
    [1, '1'],
    [false, 'false'],
    [{ a: [1] }, '{"a":[1]}'],
  ] as const
  for (const [value, expected] of rows) t.equal(text(value), expected)
})

t.test('what a value is, in words', async t => {
  const rows: readonly (readonly [Value, string])[] = [
    [null, 'null'],
    [[], 'a list'],
    [new Map(), 'a mapping'],
    ['', 'a string'],
    [0, 'a number'],
    [false, 'a boolean'],
  ]
  for (const [value, words] of rows) t.equal(describeType(value), words)
})
