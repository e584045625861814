import t from 'tap'
import { inTurns } from '../../src/util/in-turns.ts'

t.test('whatever is due goes first when 10 ms are over', async t => {
  let isDone = false
  setImmediate(() => (isDone = true))
  const steps = 1000
  function* work(): Generator<undefined, number> {
    for (let step = 1; step < steps; step += 1) {
      const began = performance.now()
      while (performance.now() - began < 1);
      if (isDone) return step
      yield undefined
    }
    return steps
  }
  t.ok((await inTurns(work())) < steps)
})
