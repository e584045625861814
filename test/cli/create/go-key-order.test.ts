import t from 'tap'
import { inGoOrder } from '../../../src/cli/create/go-key-order.ts'

/** Each printed by go-yaml v2.4.2. */
const orders: readonly (readonly string[])[] = [
  ['a2', 'a10'],
  ['a.b', 'a_b', 'aB', 'ab'],
  ['1', '2', '10', 'B', 'a'],
  ['-', '.', '_', 'a'],
  ['0', '00', '1', '01', '001'],
  ['a', 'a-1', 'a0', 'a00', 'a1', 'a01'],
  ['1-1', '1_1', '1a'],
  ['100', '101'],
  ['10', '100', '1000'],
  // More than an int64 holds.
  [`a${'9'.repeat(31)}`, 'a1'],
]

for (const order of orders)
  t.test(`go-yaml's order: ${order.join(' ')}`, async t => {
    t.strictSame(inGoOrder(order.toReversed()), order)
  })

t.test('keys in a circle come out the same, however they came in', async t => {
  const orders = [
    ['02', '100', '1e3'],
    ['100', '1e3', '02'],
    ['1e3', '02', '100'],
    ['1e3', '100', '02'],
  ].map(keys => inGoOrder(keys).join(' '))
  t.equal(new Set(orders).size, 1)
})
