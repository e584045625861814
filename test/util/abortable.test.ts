import { getEventListeners, once } from 'node:events'
import t from 'tap'
import { abortable } from '../../src/util/abortable.ts'

t.test('work ends with its signal, or leaves nothing on it', async t => {
  const { signal } = new AbortController()
  t.equal(await abortable(Promise.resolve(1), signal), 1)
  await t.rejects(abortable(Promise.reject(new Error('own')), signal), /own/)
  t.equal(getEventListeners(signal, 'abort').length, 0)

  const leaving = new AbortController()
  const never = new Promise(() => {})
  // Node warns of more than ten.
  const warned = once(process, 'warning')
  const waiting = Array.from({ length: 20 }, () =>
    abortable(never, leaving.signal),
  )
  const next = new Promise(resolve => setImmediate(resolve))
  t.equal(await Promise.race([warned, next]), undefined)
  leaving.abort(new Error('over'))
  for (const work of waiting) await t.rejects(work, /over/)
  await t.rejects(abortable(never, leaving.signal), /over/)
})
