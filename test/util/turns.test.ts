import t from 'tap'
import { Turns } from '../../src/util/turns.ts'

t.test(
  'as many at a time as there are turns, in the order they came',
  async t => {
    const turns = new Turns(2)
    const log: string[] = []
    let running = 0
    let most = 0
    const task = (name: string) =>
      turns.run(async () => {
        running += 1
        most = Math.max(most, running)
        log.push(name)
        await new Promise(resolve => setImmediate(resolve))
        running -= 1
      })
    await Promise.all(['a', 'b', 'c', 'd'].map(task))
    t.same(log, ['a', 'b', 'c', 'd'])
    t.equal(most, 2)
  },
)

t.test('who passes goes on after all who wait', async t => {
  const turns = new Turns(1)
  const log: string[] = []
  const task = (name: string) =>
    turns.run(async () => {
      log.push(`${name} begins`)
      await Promise.resolve()
      await turns.pass()
      log.push(`${name} ends`)
    })
  await Promise.all(['a', 'b', 'c'].map(task))
  t.same(log, [
    'a begins',
    'b begins',
    'c begins',
    'a ends',
    'b ends',
    'c ends',
  ])
})

t.test('a task that fails gives its turn back', async t => {
  const turns = new Turns(1)
  await t.rejects(
    turns.run(async () => {
      throw new Error('no')
    }),
    { message: 'no' },
  )
  t.equal(await turns.run(async () => 'next'), 'next')
})
