import { EventEmitter, once } from 'node:events'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pino from 'pino'
import t, { type Test } from 'tap'
import { mountsBelow } from '../../src/linux/mountinfo.ts'
import { unmountPath } from '../../src/linux/unmount-path.ts'
import { RenewedMount, renewalPause } from '../../src/session/renewed-mount.ts'
import type { Session } from '../../src/session/session-file.ts'
import type { Backend } from '../../src/volumes/backend.ts'
import { cannotMount } from '../helpers/fuse-mount.ts'

const skip = await cannotMount()

interface FakeMount {
  readonly backend: Backend
  readonly lose: () => void
  readonly isStopped: () => boolean
}

/** In the place of a mount: loses its connection when told to. */
function fakeMount(directory: string): FakeMount {
  let lose: (reason: string) => void = () => {}
  let isStopped = false
  return {
    lose: () => lose('it was lost'),
    isStopped: () => isStopped,
    backend: {
      name: 'fuse',
      directory,
      volumeRootMode: undefined,
      bind: () => Promise.resolve(),
      unbind: () => Promise.resolve(),
      lost: new Promise(resolve => (lose = resolve)),
      stop: () => {
        isStopped = true
        return Promise.resolve()
      },
    },
  }
}

function world(t: Test, refuse: () => boolean = () => false) {
  const directory = mkdtempSync(path.join(tmpdir(), 'podfs-renewed-'))
  const first = fakeMount(directory)
  const mounts = [first]
  const facts: Partial<Session>[] = []
  /** Why another one is made, each time. */
  const reasons: unknown[] = []
  const write = (line: string): void => {
    const { reason } = JSON.parse(line) as { readonly reason?: string }
    if (reason !== undefined) reasons.push(reason)
  }
  const mount = new RenewedMount(
    { backend: first.backend, directory },
    {
      session: {
        directory,
        replicas: {},
        update: fact => void facts.push(fact),
        remove: () => Promise.resolve(),
      },
      open: own => {
        if (refuse()) return Promise.reject(new Error('no room'))
        const next = fakeMount(own)
        mounts.push(next)
        return Promise.resolve(next.backend)
      },
      logger: pino({ level: 'warn' }, { write }),
    },
  )
  t.teardown(async () => {
    await mount.stop()
    for (const { mountpoint } of (await mountsBelow(directory)).toReversed())
      await unmountPath(mountpoint)
    rmSync(directory, { recursive: true })
  })
  return { directory, mount, mounts, facts, reasons }
}

/** Resolves with each mount that is shown. */
function follow(mount: RenewedMount) {
  const events = new EventEmitter()
  const state = { shown: 0 }
  mount.follow(async next => {
    await next
    state.shown += 1
    events.emit('shown')
  })
  return async (count: number): Promise<void> => {
    if (state.shown < count) await once(events, 'shown')
    if (state.shown !== count) throw new Error(`${state.shown} are shown`)
  }
}

t.test('how long the next one waits', async t => {
  t.strictSame(
    [0, 1, 2, 3, 4, 5, 6, 7, 100].map(renewalPause),
    [0, 0, 0, 1, 2, 5, 10, 10, 10],
  )
})

t.test('more losses than three in a minute are made good, too', async t => {
  const { mount, mounts } = world(t)
  const shown = follow(mount)
  for (let loss = 1; loss <= 4; loss++) {
    mounts.at(-1)?.lose()
    await shown(loss)
    t.equal(mount.current.backend, mounts.at(-1)?.backend)
  }
  t.equal(mounts.length, 5)
  t.equal(
    await Promise.race([mount.lost(), Promise.resolve('it goes on')]),
    'it goes on',
  )
})

t.test('one that cannot be made is tried again', async t => {
  let refused = 0
  const { directory, mount, mounts } = world(t, () => (refused += 1) <= 3)
  const shown = follow(mount)
  mounts[0]?.lose()
  await shown(1)
  t.equal(refused, 4)
  const again = readdirSync(directory)
  t.equal(again.length, 1, 'nothing is left of the tries')
})

t.test('one that is lost before it is shown', async t => {
  const { directory, mount, mounts, facts } = world(t)
  let tries = 0
  let following = 0
  const shown = new Promise<void>(resolve =>
    mount.follow(async (next, lost) => {
      await next
      tries += 1
      t.equal(following, 0, 'the next one is not begun before')
      if (tries > 1) return resolve()
      t.equal(facts.length, 1)
      following += 1
      const isLost = once(lost, 'abort')
      mounts[1]?.lose()
      await isLost
      await new Promise(resolve => setImmediate(resolve))
      t.notOk(mounts[1]?.isStopped(), 'it may be shown yet')
      following -= 1
    }),
  )
  mounts[0]?.lose()
  await shown
  t.ok(mounts[1]?.isStopped())
  t.strictSame(
    facts[1],
    { mountDirectory: directory },
    'who adopts the session meanwhile finds the one that is shown',
  )
  t.equal(mount.current.backend, mounts[2]?.backend)
})

/** Something that is podfs's at DIRECTORY/rw, as a container sees it. */
function showToContainer(directory: string): string {
  const [own, container] = ['rw', 'container'].map(name => {
    const at = path.join(directory, name)
    mkdirSync(at)
    return at
  }) as [string, string]
  execFileSync('mount', ['-n', '-t', 'tmpfs', 'podfs-volumes', own])
  execFileSync('mount', ['-n', '--bind', own, container])
  return container
}

t.test('a dead one stays where a container has it', { skip }, async t => {
  const { directory, mount, mounts } = world(t)
  const shown = follow(mount)
  const container = showToContainer(directory)
  const isStopped = (): boolean[] => mounts.map(each => each.isStopped())
  const lose = async (count: number): Promise<void> => {
    mounts.at(-1)?.lose()
    await shown(count)
    // Until that is over.
    await mount.orNext(() => Promise.resolve())
  }
  await lose(1)
  t.strictSame(isStopped(), [false, false], 'it would see what is beneath')
  await unmountPath(container)
  await lose(2)
  t.strictSame(isStopped(), [true, true, false])
})

t.test('so does one that is lost as it is shown', { skip }, async t => {
  const { directory, mount, mounts, facts } = world(t)
  let tries = 0
  const shown = new Promise<void>(resolve =>
    mount.follow(async (next, lost) => {
      const current = await next
      tries += 1
      if (tries > 1) return resolve()
      showToContainer(current.directory)
      const isLost = once(lost, 'abort')
      mounts[1]?.lose()
      await isLost
    }),
  )
  mounts[0]?.lose()
  await shown
  t.notOk(mounts[1]?.isStopped(), 'a container would see what is beneath')
  t.notOk(
    facts.some(({ mountDirectory }) => mountDirectory === directory),
    'who adopts the session finds it',
  )
})

t.test('nothing is made before there is somebody to show it', async t => {
  const { mount, mounts } = world(t)
  mounts[0]?.lose()
  await delay(100)
  t.equal(mounts.length, 1)
  const shown = follow(mount)
  await shown(1)
  t.equal(mounts.length, 2)
})

t.test('what is done for the first time while it is lost', async t => {
  const { mount, mounts } = world(t)
  let goOn: () => void = () => {}
  const asked = new EventEmitter()
  mount.follow(async next => {
    await next
    const may = new Promise<void>(resolve => (goOn = resolve))
    asked.emit('shown')
    await may
  })
  await mount.orNext(() => Promise.resolve())
  await t.rejects(
    mount.orNext(() => Promise.reject(new Error('of another kind'))),
    { message: 'of another kind' },
  )
  // It fails because the mount is lost meanwhile.
  const failing = mount.orNext(async () => {
    mounts[0]?.lose()
    await once(asked, 'shown')
    throw new Error('ENOTCONN')
  })
  await once(asked, 'shown')
  // It is not even begun.
  let isDone = false
  const late = mount.orNext(() => {
    isDone = true
    return Promise.resolve()
  })
  await delay(0)
  goOn()
  await failing
  await late
  t.notOk(isDone)
  t.equal(mounts.length, 2)
})

t.test('what fails on it when the next one is there already', async t => {
  const { mount, mounts } = world(t)
  const shown = follow(mount)
  await mount.orNext(async () => {
    mounts[0]?.lose()
    await shown(1)
    await delay(0)
    throw new Error('ENOTCONN')
  })
  t.equal(mounts.length, 2)
})

t.test('one that is given up', async t => {
  const { mount, mounts, reasons } = world(t)
  const shown = follow(mount)
  await new Promise(resolve => setImmediate(resolve))
  mount.giveUp('a volume cannot be put right')
  await shown(1)
  // Until that is over.
  await mount.orNext(() => Promise.resolve())
  mount.giveUp('nor on this one')
  mounts.at(-1)?.lose()
  await shown(2)
  t.strictSame(
    reasons,
    ['a volume cannot be put right', 'it was lost'],
    'not again within ten minutes',
  )
})
