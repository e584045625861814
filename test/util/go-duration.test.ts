import t from 'tap'
import { formatGoDuration } from '../../src/util/go-duration.ts'

t.test('durations, as Go prints them', async t => {
  const rows = [
    [0, '0s'],
    [0.4, '0s'],
    [100, '100ms'],
    [999.6, '1s'],
    [1250, '1.25s'],
    [60_500, '1m0.5s'],
    [10_000, '10s'],
    [80_000, '1m20s'],
    [300_000, '5m0s'],
    [3_599_000, '59m59s'],
    [3_600_000, '1h0m0s'],
    [93_784_000, '26h3m4s'],
  ] as const
  for (const [ms, text] of rows) t.equal(formatGoDuration(ms), text)
})
