import t from 'tap'
import { Heard } from '../../src/sources/heard.ts'
import { Rounds } from '../../src/sources/rounds.ts'
import { FakeClock } from '../helpers/fake-clock.ts'

function makeRounds() {
  const clock = new FakeClock()
  const state = { busy: false, flushed: 0 }
  const heard = new Heard(clock)
  const rounds = new Rounds({
    clock,
    heard,
    busy: () => state.busy,
    flush: () => (state.flushed += 1),
  })
  return { clock, state, rounds: new Told(rounds, heard) }
}

/** Both by one name: what is heard of, and what becomes of it. */
class Told {
  readonly #rounds: Rounds
  readonly #heard: Heard

  constructor(rounds: Rounds, heard: Heard) {
    this.#rounds = rounds
    this.#heard = heard
  }

  heard = (path: string) => this.#heard.file(path)
  heardOther = (path: string) => this.#heard.other(path)
  settled = (path: string, alone: boolean) => this.#rounds.settled(path, alone)
  look = (around: () => Promise<void>) => this.#rounds.look(around)
  close = () => this.#rounds.close()
}

t.test('one file that was saved waits for nothing', async t => {
  const { rounds, state } = makeRounds()
  for (const flushed of [1, 2]) {
    rounds.heard('a')
    rounds.heard('a')
    rounds.settled('a', true)
    t.equal(state.flushed, flushed)
  }
})

const together: Readonly<Record<string, (rounds: Told) => void>> = {
  'a second file': rounds => {
    rounds.heard('a')
    rounds.heard('b')
    rounds.settled('a', true)
    rounds.settled('b', true)
  },
  'a second file, and the first one once more': rounds => {
    rounds.heard('a')
    rounds.heard('b')
    rounds.heard('a')
    rounds.settled('a', true)
    rounds.settled('b', true)
  },
  'a name that nobody has read yet, heard of last': rounds => {
    rounds.heard('a')
    rounds.heardOther('new')
    rounds.settled('a', true)
    rounds.settled('new', false)
  },
  'a name that nobody has read yet, heard of first': rounds => {
    rounds.heardOther('new')
    rounds.heard('a')
    rounds.settled('new', false)
    rounds.settled('a', true)
  },
  'a file that is gone': rounds => {
    rounds.heard('a')
    rounds.settled('a', false)
  },
}
for (const [what, save] of Object.entries(together))
  t.test(`${what}: one round, when it has been quiet`, async t => {
    const { rounds, state, clock } = makeRounds()
    save(rounds)
    t.equal(state.flushed, 0)
    await clock.advance(99)
    t.equal(state.flushed, 0)
    await clock.advance(1)
    t.equal(state.flushed, 1)
    await clock.advance(10_000)
    t.equal(state.flushed, 1)
    rounds.heard('a')
    rounds.settled('a', true)
    t.equal(state.flushed, 2, 'the next one is alone again')
  })

t.test('whatever is heard makes it wait anew, and for 5 s at most', async t => {
  const { rounds, state, clock } = makeRounds()
  rounds.heard('a')
  rounds.heard('b')
  rounds.settled('a', true)
  for (let ms = 0; ms < 4950; ms += 50) {
    await clock.advance(50)
    rounds.heardOther('c')
  }
  t.equal(state.flushed, 0)
  await clock.advance(50)
  t.equal(state.flushed, 1)
})

t.test('not while a file is looked at', async t => {
  const { rounds, state, clock } = makeRounds()
  state.busy = true
  rounds.heard('a')
  rounds.heard('b')
  rounds.settled('a', true)
  await clock.advance(1000)
  t.equal(state.flushed, 0)
  state.busy = false
  await clock.advance(10)
  t.equal(state.flushed, 1)
})

t.test('not while somebody looks around', async t => {
  const { rounds, state, clock } = makeRounds()
  let looks = 0
  let end: () => void = () => undefined
  const around = (): Promise<void> => {
    looks += 1
    return new Promise(resolve => (end = resolve))
  }
  const looking = rounds.look(around)
  rounds.settled('a', false)
  for (let i = 0; i < 3; i++) await rounds.look(around)
  t.equal(looks, 1, 'one at a time')
  await clock.advance(1000)
  t.equal(state.flushed, 0)
  end()
  await looking
  t.equal(looks, 2, 'and once more, however often it was asked')
  await clock.advance(1000)
  t.equal(state.flushed, 0)
  end()
  await clock.advance(10)
  t.equal(state.flushed, 1)
  t.equal(looks, 2)
})

t.test('a look that fails keeps none from looking later', async t => {
  const { rounds } = makeRounds()
  await rounds.look(() => Promise.reject(new Error('no')))
  let looked = false
  await rounds.look(async () => void (looked = true))
  t.ok(looked)
})

t.test('closed, it publishes nothing and looks no more', async t => {
  const { rounds, state, clock } = makeRounds()
  rounds.heard('a')
  rounds.settled('a', false)
  let looks = 0
  let end: () => void = () => undefined
  const around = (): Promise<void> => {
    looks += 1
    return new Promise(resolve => (end = resolve))
  }
  const looking = rounds.look(around)
  void rounds.look(around)
  rounds.close()
  end()
  await looking
  rounds.heard('b')
  rounds.settled('b', true)
  await clock.advance(10_000)
  t.equal(state.flushed, 0)
  t.equal(looks, 1)
  t.equal(clock.pending, 0)
})
