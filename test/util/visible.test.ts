import t from 'tap'
import { visible, visibleJson, visibleLines } from '../../src/util/visible.ts'

t.test('what acts on a terminal is written as in C', async t => {
  for (const [text, shown] of [
    ['plain, ünïcode, 日本, \\n', 'plain, ünïcode, 日本, \\n'],
    ['\u001b]0;title\u0007', '\\x1b]0;title\\a'],
    ['a\nerror: forged\r\tb', 'a\\nerror: forged\\r\\tb'],
    ['\u0000\u007f\u009b2J\u0085', '\\x00\\x7f\\u009b2J\\u0085'],
    [
      '\u202egnp.exe\u2066\u2069\u200f\u061c',
      '\\u202egnp.exe\\u2066\\u2069\\u200f\\u061c',
    ],
    ['a\u2028b\u2029', 'a\\u2028b\\u2029'],
  ] as const)
    t.equal(visible(text), shown)
  const all = Array.from({ length: 0x3000 }, (_, code) =>
    String.fromCharCode(code),
  ).join('')
  t.notMatch(visible(all), /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u)
})

t.test('lines and columns that are one’s own stay', async t => {
  t.equal(visibleLines('A\tB\n\u001b[1mx\n'), 'A\tB\n\\x1b[1mx\n')
})

t.test('a JSON text says the same afterwards', async t => {
  const value = { 'k\u009b': 'a\n\u202e\u007f"\\ü' }
  const json = visibleJson(JSON.stringify(value))
  t.strictSame(JSON.parse(json), value)
  t.notMatch(json, /[\p{Cc}\p{Bidi_Control}]/u)
})
