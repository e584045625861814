import t from 'tap'
import { systemClock } from '../../src/util/clock.ts'

const overdue = [-1, -947306, -Infinity]
const late = [2 ** 31, 40 * 86_400_000, Infinity]

// What `after` waits for keeps no process alive, this one neither.
const alive = setInterval(() => {}, 1000)
t.teardown(() => clearInterval(alive))

t.test('what is overdue comes at once, but never before `after`', async t => {
  const warned = warnings()
  for (const ms of overdue) {
    let returned = false
    await new Promise<void>(resolve => {
      systemClock.after(ms, () => {
        t.ok(returned, `after ${ms}`)
        resolve()
      })
      returned = true
    })
    await systemClock.sleep(ms)
  }
  t.strictSame(warned(), [])
})

t.test('what Node has no timer for comes late, not at once', async t => {
  const warned = warnings()
  const fired: number[] = []
  const timers = late.map(ms => systemClock.after(ms, () => fired.push(ms)))
  const stop = new AbortController()
  const sleeps = late.map(ms => systemClock.sleep(ms, stop.signal))
  const early = Promise.race(sleeps).catch(() => 'aborted')
  // Longer than the millisecond that Node would make of each.
  await systemClock.sleep(20)
  for (const timer of timers) timer.cancel()
  stop.abort()
  t.equal(await early, 'aborted')
  for (const sleep of sleeps) await t.rejects(sleep, { name: 'AbortError' })
  t.strictSame(fired, [])
  t.strictSame(warned(), [])
})

/** Begins to listen; the names of Node's warnings of time-outs until it is asked. */
function warnings(): () => string[] {
  const seen: string[] = []
  const note = ({ name }: Error): void => {
    if (name.startsWith('Timeout')) seen.push(name)
  }
  process.on('warning', note)
  return () => {
    process.off('warning', note)
    return seen
  }
}
