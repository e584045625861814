import t from 'tap'
import {
  resolveInteger,
  resolvePlainScalar,
} from '../../src/api/go-yaml-scalar.ts'

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

/** By the rules of resolve.go: its words, and what looks like a number. */
const ruled: Readonly<Record<string, null | boolean | number | string>> = {
  null: null,
  NULL: null,
  nULL: 'nULL',
  Yes: true,
  YES: true,
  Y: true,
  On: true,
  No: false,
  Off: false,
  False: false,
  fALSE: 'fALSE',
  '-1.5': -1.5,
  '+1.5': 1.5,
  '-.5': -0.5,
  '-.25': -0.25,
  x1: 'x1',
  '=1.5': '=1.5',
  '-.x': '-.x',
  '1.5e10': 15e9,
  '1.5e-10': 1.5e-10,
  '12': 12,
  '123': 123,
  '.25': 0.25,
  '.5e-1': 0.05,
  '.5e+1': 5,
  '.5e10': 5e9,
  '.5e100': 5e99,
  '.5x': '.5x',
  '-.5x': '-.5x',
  '..5': '..5',
  '.infx': '.infx',
  '-x.inf': '-x.inf',
  '1.nan': '1.nan',
  '.nanx': '.nanx',
}
for (const [text, expected] of Object.entries(ruled)) {
  t.equal(resolvePlainScalar(text), expected, text)
}

/** ParseInt of 64 bits; without a sign ParseUint, too. */
const whole: Readonly<Record<string, bigint | undefined>> = {
  '0': 0n,
  '18446744073709551615': 2n ** 64n - 1n,
  '18446744073709551616': undefined,
  '+9223372036854775807': 2n ** 63n - 1n,
  '+9223372036854775808': undefined,
  '-9223372036854775808': -(2n ** 63n),
  '-9223372036854775809': undefined,
  '-1_0': -10n,
  '0b-1': -1n,
  '0b-1x': undefined,
  x1: undefined,
  '1.5': undefined,
}
for (const [text, expected] of Object.entries(whole)) {
  t.equal(resolveInteger(text), expected, text)
}
