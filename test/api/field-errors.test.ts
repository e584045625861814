import t from 'tap'
import { invalid, notFound, unsupported } from '../../src/api/field-errors.ts'

t.test('values in the messages, as Go writes them', async t => {
  const rows = [
    [invalid('a\u2028<b>', 'x'), String.raw`Invalid value: "a\u2028<b>": x`],
    [invalid(7, ''), 'Invalid value: 7'],
    [
      invalid({ a: '<b>&\u2028\u2029' }, 'x'),
      String.raw`Invalid value: {"a":"\u003cb\u003e\u0026\u2028\u2029"}: x`,
    ],
    [notFound('a'), 'Not found: "a"'],
    [
      unsupported('a', ['b', 'c']),
      'Unsupported value: "a": supported values: "b", "c"',
    ],
  ] as const
  for (const [message, words] of rows) t.equal(message, words)
})
