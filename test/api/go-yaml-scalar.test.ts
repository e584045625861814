import t from 'tap'
import { resolvePlainScalar } from '../../src/api/go-yaml-scalar.ts'

/** Each asked of kubectl 1.32: `kubectl label --local -o json -f FILE a=b`. */
const cases: Readonly<Record<string, null | boolean | number | string>> = {
  yes: true,
  on: true,
  y: true,
  TRUE: true,
  yES: 'yES',
  OFF: false,
  n: false,
  '~': null,
  Null: null,
  '': null,
  '0644': 420,
  '0o644': 420,
  '-0644': -420,
  '-0o17': -15,
  '07_7': 63,
  '089': 89,
  '2001-01-01': '2001-01-01',
  '2001-01-01T01:02:03Z': '2001-01-01T01:02:03Z',
  '1_000': 1000,
  '0b11': 3,
  '0b': '0b',
  '1:30': '1:30',
  '+1': 1,
  '1.0': 1,
  '1e3': 1000,
  '1e': '1e',
  '0x1F_F': 511,
  '0xg': '0xg',
  '1e400': '1e400',
  '0.1e3': 100,
  '1.': 1,
  '.5': 0.5,
  '-0': 0,
  '1_0.5': 10.5,
  '1.5e+3': 1500,
  '<<': '<<',
  '=': '=',
  '0.0000001': 1e-7,
  '12345678901234567890': 12345678901234567000,
  '012345678901234567890': 12345678901234567000,
  '-': '-',
  '1.2.3': '1.2.3',
  '0b-1': -1,
  '0b+11': 3,
  '-0b-1': '-0b-1',
  '.5_0': 0.5,
  '.5e1_0': 5e9,
  '._5': '._5',
  '0x1ffffffffffffffff': '0x1ffffffffffffffff',
  '0o7777777777777777777777777': '0o7777777777777777777777777',
  '-9223372036854775808': -(2 ** 63),
}
for (const [text, expected] of Object.entries(cases)) {
  t.equal(resolvePlainScalar(text), expected, text)
}

/** kubectl refuses these, since JSON does not have them. */
const notOfJson: Readonly<Record<string, number>> = {
  '.nan': NaN,
  '.NAN': NaN,
  '.inf': Infinity,
  '+.Inf': Infinity,
  '-.INF': -Infinity,
}
for (const [text, expected] of Object.entries(notOfJson)) {
  t.strictSame(resolvePlainScalar(text), expected, text)
}
