import t from 'tap'
import {
  canonicalQuantity,
  formatQuantity,
  parseQuantity,
  quantityMilliValue,
  quantityValue,
} from '../../src/api/quantity.ts'

const max = (1n << 63n) - 1n
const valid: [text: string, value: bigint, milliValue?: bigint][] = [
  ['0', 0n, 0n],
  ['1', 1n, 1000n],
  ['+1', 1n, 1000n],
  ['-1', -1n, -1000n],
  ['007', 7n],
  ['1250m', 2n, 1250n],
  ['0.5', 1n, 500n],
  ['.5', 1n, 500n],
  ['5.', 5n, 5000n],
  ['0.0001', 1n, 1n],
  ['1n', 1n, 1n],
  ['1u', 1n, 1n],
  ['1500000n', 1n, 2n],
  ['1k', 1000n],
  ['1M', 1000000n],
  ['1G', 1000000000n],
  ['1T', 10n ** 12n],
  ['1P', 10n ** 15n],
  ['1E', 10n ** 18n],
  ['1Ki', 1024n],
  ['128Mi', 134217728n],
  ['1.5Gi', 1610612736n],
  ['.5Gi', 536870912n],
  ['1Ti', 1n << 40n],
  ['1Pi', 1n << 50n],
  ['1Ei', 1n << 60n],
  ['1e3', 1000n],
  ['1E3', 1000n],
  ['1e+3', 1000n],
  ['1e-3', 1n, 1n],
  ['12.34e2', 1234n],
  ['0.0000000001', 1n],
  ['9223372036854775807', max],
  ['100E', max],
  ['1e400', max],
  ['1e99999999999', max],
  ['1e-99999999999', 1n],
  ['0e99999999999', 0n],
  ['-100E', -max],
  ['-1500m', -1n, -1500n],
]
for (const [text, value, milliValue] of valid)
  t.test(`${text} is ${value}`, async t => {
    const nanos = parseQuantity(text) ?? t.fail('not a quantity')
    if (typeof nanos !== 'bigint') return
    t.equal(quantityValue(nanos), value)
    if (milliValue !== undefined) t.equal(quantityMilliValue(nanos), milliValue)
  })

const invalid = [
  '',
  '.',
  '+',
  'm',
  'Ki',
  ' 1',
  '1 ',
  '1.2.3',
  '1+1.0M',
  '0.1mi',
  '0.1am',
  'aoeu',
  '.5i',
  '1i',
  '-3.01i',
  '-3.01e-',
  '1K',
  '1ki',
  '1Mi5',
  '1e',
  '1e3.5',
  '0x10',
  '１',
  '1\n',
  '1'.repeat(101),
]
for (const text of invalid)
  t.equal(
    parseQuantity(text),
    undefined,
    `${JSON.stringify(text)} is no quantity`,
  )

/** Those of quantity_test.go (TestQuantityString), and what a cluster prints as it was written. */
const printed: readonly (readonly [text: string, canonical: string])[] = [
  ['1024Mi', '1Gi'],
  ['307200Ki', '300Mi'],
  ['1025024Mi', '1001Gi'],
  ['1024Gi', '1Ti'],
  ['5000m', '5'],
  ['0.5', '500m'],
  ['1000M', '1G'],
  ['0.001T', '1G'],
  ['1000u', '1m'],
  ['1.08', '1080m'],
  ['1080000000n', '1080m'],
  ['.001e12', '1e9'],
  ['0.001e0', '1e-3'],
  ['1000e-12', '1e-9'],
  ['0.5e1', '5'],
  ['1e10', '10e9'],
  ['00', '0'],
  ['0Ki', '0'],
  ['-1024Ki', '-1Mi'],
  ['-1500m', '-1500m'],
  ['-1.5', '-1500m'],
  ['0.5Ki', '512'],
  ['1.5Ki', '1536'],
  ['1.0Ki', '1Ki'],
  ['0.0001Ki', '102400u'],
  ['8Ki', '8Ki'],
  ['08', '08'],
  ['3Ki', '3Ki'],
  ['+2', '+2'],
  ['5.', '5.'],
  ['1e3', '1e3'],
  ['1234567M', '1234567M'],
  ['0.1n', '1n'],
  ['1.001n', '2n'],
  ['15e-10', '2e-9'],
  ['1000000000000000', '1P'],
]
for (const [text, canonical] of printed)
  t.equal(canonicalQuantity(text), canonical, `${text} as ${canonical}`)

t.test('nothing is larger than the largest suffix', async t => {
  t.equal(formatQuantity(10n ** 33n, '1'), '1000000E')
  t.equal(formatQuantity((1n << 80n) * 10n ** 9n, '1Ki'), '1048576Ei')
})
