import t from 'tap'
import { EndpointChooser } from '../../src/services/choose-endpoint.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

const at = (ip: string, port = 80) => ({ ip, port })
const [a, b, c] = [at('a'), at('b'), at('c')]

function chooserFor(affinitySeconds?: number) {
  const clock = new FakeClock()
  const chooser = new EndpointChooser(clock)
  chooser.set([a, b, c], affinitySeconds)
  const order = (client = 'x'): string =>
    chooser
      .order(client)
      .map(({ ip }) => ip)
      .join('')
  return { clock, chooser, order }
}

t.test('nobody is there at first', async t => {
  t.strictSame(new EndpointChooser(new FakeClock()).order('x'), [])
})

t.test('one after the other', async t => {
  const { chooser, order } = chooserFor()
  t.strictSame(
    [order(), order(), order(), order()],
    ['abc', 'bca', 'cab', 'abc'],
  )
  chooser.set([a], undefined)
  t.strictSame([order(), order()], ['a', 'a'])
  chooser.set([], undefined)
  t.equal(order(), '')
  t.ok(!chooser.has(a))
  chooser.set([a, b], undefined)
  t.match(order(), /^(ab|ba)$/, 'as soon as there is one')
  t.ok(chooser.has(at('b')))
  t.notOk(chooser.has(at('b', 81)), 'another port is another place')
  t.notOk(chooser.has(c))
})

t.test('without affinity nobody is remembered', async t => {
  const { chooser, order } = chooserFor()
  chooser.note('x', b)
  t.strictSame([order(), order()], ['abc', 'bca'])
})

t.test('a client comes to the same place, for so long', async t => {
  const { clock, chooser, order } = chooserFor(10)
  chooser.note('x', b)
  t.strictSame([order(), order()], ['bac', 'bca'], 'the others in their turn')
  t.equal(order('y'), 'cab', 'another client goes on')
  await clock.advance(10_000)
  t.match(order(), /^b/)
  await clock.advance(1)
  t.strictSame([order(), order()], ['bca', 'cab'], 'whose turn it is')
  chooser.note('x', c)
  t.match(order(), /^c/, 'its last one')
  chooser.set([a, c], 10)
  t.match(order(), /^c/, 'others go')
  t.match(order(), /^c/)
  chooser.set([a, b], 10)
  t.notMatch(order(), 'c', 'a place that has gone is forgotten')
})

t.test('10,000 clients, of which the one seen least lately goes', async t => {
  const { chooser, order } = chooserFor(10)
  chooser.note('first', a)
  chooser.note('second', a)
  for (let i = 2; i < 10_000; i++) chooser.note(String(i), a)
  const isKnown = (client: string): boolean =>
    [order(client), order(client), order(client)].every(all => all[0] === 'a')
  t.ok(isKnown('first'))
  chooser.note('first', a)
  chooser.note('new', a)
  t.notOk(isKnown('second'))
  t.ok(isKnown('first'))
})
