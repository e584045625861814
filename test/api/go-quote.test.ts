import t from 'tap'
import { goQuote } from '../../src/api/go-quote.ts'

// Every expectation but the last two was printed by Go 1.26 (strconv.Quote).
const cases: { name: string; value: string; quoted: string }[] = [
  { name: 'empty', value: '', quoted: '""' },
  { name: 'ASCII', value: 'value 1', quoted: '"value 1"' },
  { name: 'newline (fieldpath_test.go)', value: 'v\n', quoted: '"v\\n"' },
  { name: 'double quote', value: 'a"b', quoted: '"a\\"b"' },
  { name: 'single quote stays', value: "a'b", quoted: `"a'b"` },
  { name: 'backslash', value: 'a\\n', quoted: '"a\\\\n"' },
  {
    name: 'named controls',
    value: '\x07\b\f\n\r\t\v',
    quoted: '"\\a\\b\\f\\n\\r\\t\\v"',
  },
  {
    name: 'other controls',
    value: '\x00\x01\x1b\x1f\x7f',
    quoted: '"\\x00\\x01\\x1b\\x1f\\x7f"',
  },
  { name: 'C1 controls', value: '\x80\x9f', quoted: '"\\u0080\\u009f"' },
  { name: 'no-break space', value: '\u00a0', quoted: '"\\u00a0"' },
  { name: 'soft hyphen', value: '\u00ad', quoted: '"\\u00ad"' },
  { name: 'ideographic space', value: '\u3000', quoted: '"\\u3000"' },
  { name: 'zero-width joiner', value: '\u200d', quoted: '"\\u200d"' },
  {
    name: 'line separators',
    value: '\u2028\u2029',
    quoted: '"\\u2028\\u2029"',
  },
  { name: 'byte order mark', value: '\ufeff', quoted: '"\\ufeff"' },
  { name: 'private use', value: '\ue000', quoted: '"\\ue000"' },
  { name: 'noncharacter', value: '\uffff', quoted: '"\\uffff"' },
  { name: 'Latin letters', value: 'Grüße', quoted: '"Grüße"' },
  { name: 'combining mark', value: 'e\u0301', quoted: '"e\u0301"' },
  { name: 'enclosing mark', value: '1\u20e3', quoted: '"1\u20e3"' },
  { name: 'CJK', value: '日本', quoted: '"日本"' },
  { name: 'emoji', value: '😀', quoted: '"😀"' },
  {
    name: 'emoji sequence',
    value: '👩\u200d💻',
    quoted: '"👩\\u200d💻"',
  },
  { name: 'tag space', value: '\u{e0020}', quoted: '"\\U000e0020"' },
  { name: 'last code point', value: '\u{10ffff}', quoted: '"\\U0010ffff"' },
  { name: 'replacement character', value: '\ufffd', quoted: '"\ufffd"' },
  { name: 'lone high surrogate', value: 'a\ud800b', quoted: '"a\ufffdb"' },
  { name: 'lone low surrogate', value: '\udc00', quoted: '"\ufffd"' },
  { name: 'the last surrogate', value: '\udfff', quoted: '"\ufffd"' },
]
for (const { name, value, quoted } of cases)
  t.equal(goQuote(value), quoted, name)
