import t from 'tap'

import {
  backoffDelay,
  nextBackoff,
  type BackoffEntry,
} from '../../src/util/backoff.ts'

const options = { baseMs: 10, maxMs: 300, resetAfterMs: 600 }

t.test('doubles to its cap', async t => {
  let entry: BackoffEntry | undefined
  t.equal(backoffDelay(entry, 0, options), 0, 'the first retry is immediate')
  for (const expected of [10, 20, 40, 80, 160, 300, 300]) {
    entry = nextBackoff(entry, 0, 0, options)
    t.equal(backoffDelay(entry, 0, options), expected)
  }
})

t.test('forgets after a good while', async t => {
  const entry = { delayMs: 160, lastTry: 1000 }
  t.equal(backoffDelay(entry, 1600, options), 160)
  t.equal(backoffDelay(entry, 1601, options), 0)
  t.same(nextBackoff(entry, 1601, 1700, options), {
    delayMs: 10,
    lastTry: 1700,
  })
})
