import t from 'tap'

import { runHook } from '../../src/runner/lifecycle/run-hook.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { endlessHook } from '../helpers/fake-runtime.ts'
import { makeContainer } from '../helpers/make-objects.ts'

const somewhere = { container: makeContainer(), podIP: '127.0.0.1' }

const never = new AbortController().signal

t.test('C195: exec, its command as it is written', async t => {
  const target = {
    ...somewhere,
    exec: async (argv: readonly string[]) => {
      t.same(argv, ['sh', '-c', '$(X)'])
      return { exitCode: 0, output: '' }
    },
  }
  const handler = { exec: { command: ['sh', '-c', '$(X)'] } }
  t.same(await runHook(handler, target, new FakeClock(), never), {
    outcome: 'succeeded',
  })
})

t.test('exec fails', async t => {
  const handler = { exec: { command: ['x'] } }
  const exits = {
    ...somewhere,
    exec: async () => ({ exitCode: 3, output: 'oh\n' }),
  }
  t.same(await runHook(handler, exits, new FakeClock(), never), {
    outcome: 'failed',
    message: 'command exited with 3: oh',
  })
  const throws = {
    ...somewhere,
    exec: async () => {
      throw new Error('no such program')
    },
  }
  t.same(await runHook(handler, throws, new FakeClock(), never), {
    outcome: 'failed',
    message: 'no such program',
  })
})

t.test('C205 C208: sleep', async t => {
  const target = { ...somewhere, exec: endlessHook }
  for (const seconds of [0, 50]) {
    const clock = new FakeClock()
    const hook = runHook({ sleep: { seconds } }, target, clock, never)
    await clock.advance(seconds * 1000)
    t.same(await hook, { outcome: 'succeeded' })
  }
})

t.test('C206: abandoned', async t => {
  for (const handler of [
    { exec: { command: ['x'] } },
    { sleep: { seconds: 50 } },
  ]) {
    const abort = new AbortController()
    const target = { ...somewhere, exec: endlessHook }
    const hook = runHook(handler, target, new FakeClock(), abort.signal)
    abort.abort()
    t.same(await hook, { outcome: 'abandoned' })
  }
})
