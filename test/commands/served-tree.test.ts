/*
 * What is shown stays until the tree that takes its place has all that it has.
 */
import { execFileSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t, { type Test } from 'tap'
import {
  type CurrentMount,
  RenewedMount,
} from '../../src/session/renewed-mount.ts'
import { ServedTree } from '../../src/commands/served-tree.ts'
import { Store } from '../../src/store/store.ts'
import { silentLogger } from '../../src/util/logger.ts'
import type { FillDirectory } from '../../src/util/new-entry.ts'
import { unmountPath } from '../../src/linux/unmount-path.ts'
import { cannotMount, deadMount } from '../helpers/fuse-mount.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { makeConfigMap, makeNode } from '../helpers/make-objects.ts'

const skip = await cannotMount()
const whole = ['a', 'b']

/** A directory in the place of a mount: it can be lost, and be full. */
function fakeMount(directory: string, events: EventEmitter) {
  const name = path.basename(directory)
  const files = path.join(directory, 'rw')
  mkdirSync(files)
  const state = { isFull: false, isStopped: false, isBound: false }
  let lose: (reason: string) => void = () => {}
  const fill: FillDirectory = () => {
    if (!state.isFull) return Promise.resolve(0)
    events.emit('full', name)
    const error = new Error('EIO: i/o error')
    return Promise.reject(Object.assign(error, { code: 'EIO' }))
  }
  const mount: CurrentMount = {
    directory,
    backend: {
      name: 'fuse',
      directory: files,
      volumeRootMode: undefined,
      fill,
      bind: () => {
        state.isBound = true
        const maps = path.join(files, 'volumes/default/configmaps')
        const published = readdirSync(maps).filter(each =>
          readdirSync(path.join(maps, each)).includes('..data'),
        )
        events.emit('shown', { name, published: published.sort() })
        return Promise.resolve()
      },
      unbind: () => Promise.resolve(),
      lost: new Promise(resolve => (lose = resolve)),
      stop: () => {
        state.isStopped = true
        return Promise.resolve()
      },
    },
  }
  return { ...mount, state, lose: () => lose('it was lost') }
}

interface Shown {
  readonly name: string
  readonly published: readonly string[]
}

function world(t: Test, options: { readonly isFull: (n: number) => boolean }) {
  const directory = mkdtempSync(path.join(tmpdir(), 'podfs-tree-'))
  const events = new EventEmitter()
  const shown: Shown[] = []
  events.on('shown', each => shown.push(each as Shown))
  const mounts: ReturnType<typeof fakeMount>[] = []
  const make = (at: string): CurrentMount['backend'] => {
    const mount = fakeMount(at, events)
    mount.state.isFull = options.isFull(mounts.length)
    mounts.push(mount)
    return mount.backend
  }
  const first = path.join(directory, 'first')
  mkdirSync(first)
  const mount = new RenewedMount(
    { backend: make(first), directory: first },
    {
      session: {
        directory,
        replicas: {},
        update: () => undefined,
        remove: () => Promise.resolve(),
      },
      open: at => Promise.resolve(make(at)),
      logger: silentLogger,
    },
  )
  const store = new Store()
  store.replace(
    'test.yaml',
    whole.map(name => makeConfigMap({ name, data: { key: 'one' } })),
  )
  const clock = new FakeClock()
  const tree = (adopted: boolean): ServedTree => {
    const made = new ServedTree(mount, {
      root: path.join(directory, 'root'),
      access: {
        uid: process.getuid?.() ?? 0,
        gid: process.getgid?.() ?? 0,
        mode: 0o755,
      },
      adopted,
      store,
      node: makeNode(),
      tokens: () => Promise.reject(new Error('no tokens here')),
      rootCertificate: () => Promise.resolve('certificate'),
      clock,
      logger: silentLogger,
      report: () => undefined,
      onVolume: () => undefined,
      onVolumeGone: () => undefined,
    })
    t.teardown(async () => {
      await made.close()
      await mount.stop()
      rmSync(directory, { recursive: true })
    })
    return made
  }
  return { directory, tree, mounts, shown, events, clock }
}

/** Resolves when so many writes have failed. */
function tries(events: EventEmitter, count: number): Promise<void> {
  let left = count
  return new Promise(resolve => {
    events.on('full', () => (left -= 1) === 0 && resolve())
  })
}

t.test('one that is lost before it is whole is never shown', async t => {
  const { tree, mounts, shown, events, clock } = world(t, {
    isFull: n => n === 1,
  })
  await tree(false).start()
  const tried = tries(events, 3 * whole.length)
  mounts[0]?.lose()
  // What is written really takes its time.
  const ticking = setInterval(() => void clock.advance(1000), 5)
  await tried
  clearInterval(ticking)
  t.equal(shown.length, 1, 'it is not whole')
  const next = once(events, 'shown')
  mounts[1]?.lose()
  await next
  t.ok(mounts[1]?.state.isStopped)
  t.strictSame(
    shown.map(({ published }) => published),
    [whole, whole],
  )
  t.equal(shown[1]?.name, path.basename(mounts[2]?.directory ?? ''))
})

t.test('one that nobody has said yet to be lost', { skip }, async t => {
  const { tree, mounts, shown, events, clock } = world(t, {
    isFull: n => n === 1,
  })
  await tree(false).start()
  const tried = tries(events, whole.length)
  mounts[0]?.lose()
  await tried
  const dead = mounts[1]
  if (dead === undefined) throw new Error('there is no other one')
  await deadMount(dead.backend.directory)
  t.teardown(() => unmountPath(dead.backend.directory, { lazy: true }))
  // What has been opened is still written to.
  dead.state.isFull = false
  const next = once(events, 'shown')
  const ticking = setInterval(() => void clock.advance(1000), 5)
  await next
  clearInterval(ticking)
  t.notOk(dead.state.isBound)
  t.equal(shown[1]?.name, path.basename(mounts[2]?.directory ?? ''))
})

t.test('one that a podfs before has only begun', async t => {
  const { tree, mounts, shown, events, clock } = world(t, {
    isFull: () => true,
  })
  const tried = tries(events, 3 * whole.length)
  const started = tree(true).start()
  // What is written really takes its time.
  const ticking = setInterval(() => void clock.advance(1000), 5)
  await tried
  t.equal(shown.length, 0)
  const [mount] = mounts
  if (mount !== undefined) mount.state.isFull = false
  await started
  clearInterval(ticking)
  t.strictSame(
    shown.map(({ published }) => published),
    [whole],
  )
})

t.test('one that a podfs before has shown', { skip }, async t => {
  const { directory, tree, shown } = world(t, { isFull: () => true })
  const [own, root] = ['first/rw', 'root'].map(name =>
    path.join(directory, name),
  ) as [string, string]
  mkdirSync(root)
  const adopted = tree(true)
  execFileSync('mount', ['-n', '-t', 'tmpfs', 'shown', own])
  t.teardown(() => unmountPath(own, { lazy: true }))
  execFileSync('mount', ['-n', '--bind', own, root])
  t.teardown(() => unmountPath(root, { lazy: true }))
  // The clock stands still: nothing is waited for.
  await adopted.start()
  t.strictSame(
    shown.map(({ published }) => published),
    [[]],
    'what cannot be published was there before',
  )
})
