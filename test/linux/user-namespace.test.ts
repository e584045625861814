import t from 'tap'
import { hasId, parseIdMap } from '../../src/linux/user-namespace.ts'

t.test('the ids of a user namespace', async t => {
  const ranges = parseIdMap(
    '         0       1001          1\n         1     100000      65536\n',
  )
  t.strictSame(ranges, [
    { inside: 0, outside: 1001, count: 1 },
    { inside: 1, outside: 100_000, count: 65_536 },
  ])
  t.strictSame(
    [0, 1, 65_536, 65_537].map(id => hasId(ranges, id)),
    [true, true, true, false],
  )
  t.strictSame(parseIdMap(''), [])
})
