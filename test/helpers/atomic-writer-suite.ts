import { closeSync, openSync } from 'node:fs'
import {
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  symlink,
  unlink,
} from 'node:fs/promises'
import type { Test } from 'tap'
import type { FillDirectory } from '../../src/util/new-entry.ts'
import {
  AtomicWriter,
  type AtomicWriterOptions,
  prepareVolumeRoot,
} from '../../src/writer/atomic-writer.ts'
import { needsRoot } from './capability.ts'
import { failAfter, type FailureMode } from './failing-file-system.ts'
import { formatEvents, Inotify, lookFromOutside } from './inotify.ts'
import {
  checkVolumeContents,
  checkVolumeEmpty,
  makePayload,
} from './volume-contents.ts'

/*
 * What the AtomicWriter promises on any file system: run on tmpfs by
 * test/writer/atomic-writer.test.ts, and to be run on a FUSE mount.
 */

export interface WriterPlace {
  /** Makes an empty directory and sees to its removal. Called some hundred times. */
  readonly makeDirectory: (t: Test) => Promise<string>
  /** Where many entries can be made at once. */
  readonly fill?: FillDirectory | undefined
  /** Names of rows that this file system is known not to give. */
  readonly without?: ReadonlySet<string> | undefined
}

type MakeWriter = (
  directory: string,
  options?: AtomicWriterOptions,
) => AtomicWriter
type Place = Required<Pick<WriterPlace, 'makeDirectory'>> & {
  readonly without: ReadonlySet<string>
  readonly makeWriter: MakeWriter
  readonly fill: FillDirectory | undefined
}

type Files = Parameters<typeof makePayload>[0]

const changesGroup = needsRoot('user')

export function describeAtomicWriter(
  t: Test,
  { makeDirectory, fill, without = new Set() }: WriterPlace,
): void {
  const place: Place = {
    makeDirectory,
    without,
    fill,
    makeWriter: (directory, options) =>
      new AtomicWriter(directory, { fill, ...options }),
  }
  describeRootEvents(t, place)
  describeWatches(t, place)
  describeWrites(t, place)
  describeRecovery(t, place)
  describeFailures(t, place)
}

const swap = ['CREATE ..data_tmp', 'MOVED_FROM ..data_tmp', 'MOVED_TO ..data']
const newDirectory = ['CREATE,ISDIR ..ts2', 'ATTRIB,ISDIR ..ts2']
const groupOf = (...links: string[]) => [
  'ATTRIB,ISDIR ..ts2',
  ...links.map(link => `ATTRIB ${link}`),
  'ATTRIB ..data',
  'ATTRIB,ISDIR ..ts1',
  'ATTRIB,ISDIR',
]

/** docs/kubernetes.md#events-of-a-write. */
const rootEvents: readonly {
  name: string
  first?: Files
  next: Files
  fsGroup?: number
  events: readonly string[]
}[] = [
  {
    name: 'first write',
    next: { a: '1', b: '2' },
    events: [
      'CREATE,ISDIR ..ts1',
      'ATTRIB,ISDIR ..ts1',
      ...swap,
      'CREATE a',
      'CREATE b',
    ],
  },
  {
    name: 'first write of nothing',
    next: {},
    events: ['CREATE,ISDIR ..ts1', 'ATTRIB,ISDIR ..ts1', ...swap],
  },
  {
    name: 'change one key',
    first: { a: '1', b: '2' },
    next: { a: 'changed', b: '2' },
    events: [...newDirectory, ...swap, 'DELETE,ISDIR ..ts1'],
  },
  {
    name: 'add one key',
    first: { a: '1', b: '2' },
    next: { a: '1', b: '2', c: '3' },
    events: [...newDirectory, ...swap, 'CREATE c', 'DELETE,ISDIR ..ts1'],
  },
  {
    name: 'remove one key',
    first: { a: '1', b: '2' },
    next: { a: '1' },
    events: [...newDirectory, ...swap, 'DELETE b', 'DELETE,ISDIR ..ts1'],
  },
  {
    name: 'no-op',
    first: { a: '1', b: '2', 'd/x': '3' },
    next: { a: '1', b: '2', 'd/x': '3' },
    events: [],
  },
  {
    name: 'no-op: only a mode differs',
    first: { a: '1' },
    next: { a: { data: '1', mode: 0o400 } },
    events: [],
  },
  {
    name: 'add below a directory',
    first: { 'd/x': '1' },
    next: { 'd/x': '1', 'd/y': '2' },
    events: [...newDirectory, ...swap, 'DELETE,ISDIR ..ts1'],
  },
  {
    name: 'remove below a directory',
    first: { 'd/x': '1', 'd/e/y': '2' },
    next: { 'd/x': '1' },
    events: [...newDirectory, ...swap, 'DELETE,ISDIR ..ts1'],
  },
  {
    name: 'first write with fsGroup',
    next: { a: '1' },
    fsGroup: 2000,
    events: [
      'CREATE,ISDIR ..ts1',
      'ATTRIB,ISDIR ..ts1',
      'ATTRIB,ISDIR',
      ...swap,
      'CREATE a',
    ],
  },
  {
    name: 'change one key with fsGroup',
    first: { a: '1', b: '2' },
    next: { a: '1', b: 'changed' },
    fsGroup: 2000,
    events: [
      ...newDirectory,
      ...groupOf('a', 'b'),
      ...swap,
      'DELETE,ISDIR ..ts1',
    ],
  },
  {
    name: 'add one key with fsGroup',
    first: { a: '1' },
    next: { a: '1', b: '2' },
    fsGroup: 2000,
    events: [
      ...newDirectory,
      ...groupOf('a'),
      ...swap,
      'CREATE b',
      'DELETE,ISDIR ..ts1',
    ],
  },
  {
    name: 'remove one key with fsGroup',
    first: { a: '1', b: '2' },
    next: { a: '1' },
    fsGroup: 2000,
    events: [
      ...newDirectory,
      ...groupOf('a', 'b'),
      ...swap,
      'DELETE b',
      'DELETE,ISDIR ..ts1',
    ],
  },
  {
    name: 'no-op with fsGroup',
    first: { a: '1' },
    next: { a: '1' },
    fsGroup: 2000,
    events: [],
  },
]

function describeRootEvents(
  t: Test,
  { makeDirectory, makeWriter }: Place,
): void {
  for (const { name, first, next, fsGroup, events } of rootEvents) {
    const skip = fsGroup !== undefined && changesGroup
    t.test(`events on the root: ${name}`, { skip }, async t => {
      const directory = await makeDirectory(t)
      const options = fsGroup === undefined ? {} : { fsGroup }
      await prepareVolumeRoot(directory, options)
      const writer = makeWriter(directory)
      const before: string[] = []
      if (first !== undefined) {
        await writer.write(makePayload(first), options)
        before.push(await readlink(`${directory}/..data`))
      }
      const inotify = new Inotify()
      t.teardown(() => inotify.close())
      inotify.watch(directory)
      await writer.write(makePayload(next), options)
      const seen = inotify.drain()
      t.strictSame(
        mergeEqualNeighbours(formatEvents(seen, before)),
        mergeEqualNeighbours(events),
      )
      const moves = seen.filter(({ mask }) => mask.startsWith('MOVED_'))
      t.equal(
        new Set(moves.map(({ cookie }) => cookie)).size,
        events.length === 0 ? 0 : 1,
        'the two halves of the rename have the same cookie',
      )
    })
  }
}

/** inotify merges an event with the one before it if that is equal and not yet read. */
function mergeEqualNeighbours(events: readonly string[]): string[] {
  return events.filter((event, at) => event !== events[at - 1])
}

function describeWatches(
  t: Test,
  { makeDirectory, makeWriter, without }: Place,
): void {
  const rows: readonly {
    name: string
    path: string
    followLink?: boolean
    openFile?: boolean
    events: readonly string[]
  }[] = [
    {
      name: 'a file that changed, resolved',
      path: 'a',
      events: ['ATTRIB', 'DELETE_SELF', 'IGNORED'],
    },
    {
      name: 'a file that did not change, resolved',
      path: 'b',
      events: ['ATTRIB', 'DELETE_SELF', 'IGNORED'],
    },
    {
      name: 'a resolved file that somebody holds open',
      path: 'b',
      openFile: true,
      events: ['ATTRIB', '(closed)', 'DELETE_SELF', 'IGNORED'],
    },
    {
      name: 'the link ..data',
      path: '..data',
      followLink: false,
      events: ['ATTRIB', 'DELETE_SELF', 'IGNORED'],
    },
    {
      name: 'the link of a key that stays',
      path: 'a',
      followLink: false,
      events: [],
    },
    {
      name: 'the link of a key that goes',
      path: 'gone',
      followLink: false,
      events: ['ATTRIB', 'DELETE_SELF', 'IGNORED'],
    },
    {
      name: '..data followed',
      path: '..data',
      events: [
        'DELETE a',
        'DELETE b',
        'DELETE gone',
        'DELETE,ISDIR d',
        'DELETE_SELF',
        'IGNORED',
      ],
    },
  ]
  for (const { name, path, followLink = true, openFile, events } of rows) {
    if (without.has(name)) continue
    t.test(`events on ${name}`, async t => {
      const directory = await makeDirectory(t)
      const writer = makeWriter(directory)
      await writer.write(makePayload({ a: '1', b: '2', 'd/x': '3', gone: '4' }))
      const inotify = new Inotify()
      t.teardown(() => inotify.close())
      inotify.watch(`${directory}/${path}`, { followLink })
      const fd = openFile ? openSync(`${directory}/${path}`, 'r') : undefined
      await writer.write(makePayload({ a: 'changed', b: '2', 'd/x': '3' }))
      const seen = formatEvents(inotify.drain())
      if (fd !== undefined) {
        closeSync(fd)
        seen.push('(closed)', ...formatEvents(inotify.drain()))
      }
      // The order of the files of a generation that goes is nobody's business.
      const files = seen.filter(event => event.startsWith('DELETE')).length
      if (path === '..data' && followLink)
        t.strictSame(
          [...seen.slice(0, files - 1).sort(), ...seen.slice(files - 1)],
          events,
        )
      else t.strictSame(seen, events)
    })
  }
}

/** After kubernetes pkg/volume/util/atomic_writer_test.go. */
const writes: readonly {
  name: string
  first: Files
  next: Files
  shouldWrite: boolean
}[] = [
  {
    name: 'update',
    first: { foo: 'foo', bar: 'bar' },
    next: { foo: 'foo2', bar: 'bar2' },
    shouldWrite: true,
  },
  {
    name: 'no update',
    first: { foo: 'foo', bar: 'bar' },
    next: { foo: 'foo', bar: 'bar' },
    shouldWrite: false,
  },
  {
    name: 'no update, cleaned paths',
    first: { 'foo/bar': 'x' },
    next: { 'foo//./bar': 'x' },
    shouldWrite: false,
  },
  {
    name: 'no update of an empty volume',
    first: {},
    next: {},
    shouldWrite: false,
  },
  {
    name: 'same length, other bytes',
    first: { foo: 'foo' },
    next: { foo: 'fop' },
    shouldWrite: true,
  },
  {
    name: 'to an empty file',
    first: { foo: 'foo' },
    next: { foo: '' },
    shouldWrite: true,
  },
  {
    name: 'mode alone',
    first: { foo: { data: 'foo', mode: 0o644 } },
    next: { foo: { data: 'foo', mode: 0o400 } },
    shouldWrite: false,
  },
  {
    name: 'mode together with other bytes',
    first: { foo: { data: 'foo', mode: 0o644 }, bar: 'bar' },
    next: { foo: { data: 'foo', mode: 0o400 }, bar: 'bar2' },
    shouldWrite: true,
  },
  {
    name: 'add',
    first: { foo: 'foo' },
    next: { foo: 'foo', blu: 'foo' },
    shouldWrite: true,
  },
  {
    name: 'delete',
    first: { foo: 'foo', bar: 'bar' },
    next: { foo: 'foo' },
    shouldWrite: true,
  },
  {
    name: 'delete all',
    first: { foo: 'foo', 'bar/baz': 'bar' },
    next: {},
    shouldWrite: true,
  },
  {
    name: 'add and delete in subdirectories',
    first: { 'foo/bar': '1', 'foo/baz/x': '2', 'zip/zap/zop': '3' },
    next: { 'foo/bar': '1', 'foo/qux/y': '4', 'zip/zap/zop': '3' },
    shouldWrite: true,
  },
  {
    name: 'remove a deep subdirectory',
    first: { 'a/b/c/d/e': '1', 'a/b/f': '2' },
    next: { 'a/b/f': '2' },
    shouldWrite: true,
  },
  {
    name: 'dotfiles',
    first: { '.hidden': '1', '.d/..x': '2', 'a/..b': '3' },
    next: { '.hidden': '2', '.d/..x': '2', '.e': '4' },
    shouldWrite: true,
  },
  {
    name: 'file becomes directory',
    first: { d: '1', a: '2' },
    next: { 'd/x': '1', a: '2' },
    shouldWrite: true,
  },
  {
    name: 'directory becomes file',
    first: { 'd/x': '1', a: '2' },
    next: { d: '1', a: '2' },
    shouldWrite: true,
  },
  {
    name: 'modes and names of all kinds',
    first: { foo: { data: 'x', mode: 0o777 } },
    next: {
      foo: { data: 'x', mode: 0o777 },
      ro: { data: 'y', mode: 0o400 },
      none: { data: 'z', mode: 0 },
      __proto__x: 'p',
      'ünï 日本': 'u',
      ['n'.repeat(255)]: 'l',
    },
    shouldWrite: true,
  },
]

function describeWrites(
  t: Test,
  { makeDirectory, makeWriter, without }: Place,
): void {
  for (const { name, first, next, shouldWrite } of writes) {
    const isUnreadable = Object.values(next).some(
      file => typeof file === 'object' && 'mode' in file && file.mode === 0,
    )
    const skip = isUnreadable && needsRoot('file')
    for (const anew of [false, true])
      t.test(
        `writes: ${name}${anew ? ', by a new writer' : ''}`,
        { skip },
        async t => {
          const directory = await makeDirectory(t)
          const writer = makeWriter(directory)
          t.equal(await writer.write(makePayload(first)), true, 'first write')
          await checkVolumeContents(directory, makePayload(first))
          const nextWriter = anew ? makeWriter(directory) : writer
          t.equal(await nextWriter.write(makePayload(next)), shouldWrite)
          if (shouldWrite)
            await checkVolumeContents(directory, makePayload(next))
        },
      )
  }

  t.test('many updates, down to one file', async t => {
    const directory = await makeDirectory(t)
    const writer = makeWriter(directory)
    const generations: Files[] = [
      { 'foo/bar': '1', 'foo/baz': '2', 'zab/x/y': '3', a: '4' },
      { 'foo/bar': '1', 'foo/baz': '2', 'zab/x/y': '3', a: '5' },
      { 'foo/bar': '1', 'foo/new/z': '2', a: '5' },
      { a: '5', sentinel: '6' },
      { sentinel: '6' },
    ]
    for (const files of generations) {
      await writer.write(makePayload(files))
      await checkVolumeContents(directory, makePayload(files))
    }
  })

  t.test('500 files, some of 1 MiB', async t => {
    const directory = await makeDirectory(t)
    const files: Record<string, string> = {}
    for (let at = 0; at < 500; at++)
      files[`d${at % 7}/f${at}`] = 'x'.repeat(at % 100 === 0 ? 1 << 20 : at)
    await makeWriter(directory).write(makePayload(files))
    await checkVolumeContents(directory, makePayload(files))
  })

  t.test('repairs a visible link that is missing (121472)', async t => {
    const directory = await makeDirectory(t)
    const payload = makePayload({ a: '1', b: '2' })
    const writer = makeWriter(directory)
    await writer.write(payload)
    await unlink(`${directory}/a`)
    t.equal(await writer.write(payload), false, 'no new generation')
    await checkVolumeContents(directory, payload)
  })

  t.test('leaves alone what is not its own', async t => {
    const directory = await makeDirectory(t)
    await mkdir(`${directory}/nested`)
    const payload = makePayload({ a: '1', 'nested/x': '2' })
    await makeWriter(directory).write(payload)
    t.ok((await lstat(`${directory}/nested`)).isDirectory())
    t.strictSame(await readdir(`${directory}/nested`), [])
    t.equal(await readFile(`${directory}/..data/nested/x`, 'utf8'), '2')
  })

  const keepsBytes = 'an open file keeps its bytes for ever'
  if (!without.has(keepsBytes))
    t.test(keepsBytes, async t => {
      const directory = await makeDirectory(t)
      const writer = makeWriter(directory)
      await writer.write(makePayload({ a: 'old' }))
      lookFromOutside(`${directory}/a`)
      const fd = openSync(`${directory}/a`, 'r')
      t.teardown(() => closeSync(fd))
      await writer.write(makePayload({ a: 'new' }))
      t.equal(await readFile(`/proc/self/fd/${fd}`, 'utf8'), 'old')
      t.equal(await readFile(`${directory}/a`, 'utf8'), 'new')
    })

  t.test('through /proc/self/fd', async t => {
    const directory = await makeDirectory(t)
    const fd = openSync(directory, 'r')
    t.teardown(() => closeSync(fd))
    const payload = makePayload({ a: '1', 'd/x': '2' })
    await makeWriter(`/proc/self/fd/${fd}`).write(payload)
    await checkVolumeContents(directory, payload)
  })

  t.test('owner and fsGroup', { skip: changesGroup }, async t => {
    const directory = await makeDirectory(t)
    const fsGroup = 2000
    const token = (data: string) =>
      makePayload({ token: { data, mode: 0o600, fsUser: 1000 }, 'd/a': '1' })
    await prepareVolumeRoot(directory, { fsGroup })
    const writer = makeWriter(directory)
    for (const data of ['1', '2']) {
      await writer.write(token(data), { fsGroup })
      await checkVolumeContents(directory, token(data), { fsGroup })
      t.equal((await lstat(`${directory}/..data/d`)).mode & 0o7777, 0o2755)
      t.equal((await lstat(`${directory}/token`)).uid, 0, "the link is root's")
    }
    const root = await lstat(directory)
    t.strictSame([root.mode & 0o7777, root.gid], [0o3777, fsGroup])
  })
}

/** Every place where a write can be cut short: before each call that changes something. */
function describeFailures(
  t: Test,
  { makeDirectory, makeWriter, fill }: Place,
): void {
  const scenarios: readonly {
    name: string
    first?: Files
    next: Files
    fsGroup?: number
  }[] = [
    { name: 'first write', next: { a: '1', 'd/x': '2' } },
    {
      name: 'change, add and remove',
      first: { a: '1', 'd/x': '2', gone: '3', gone2: '4' },
      next: { a: 'changed', 'd/x': '2', new: '5', new2: '6' },
    },
    {
      name: 'change with fsGroup',
      first: { a: '1' },
      next: { a: 'changed', b: '2' },
      fsGroup: 2000,
    },
  ]
  const failureModes: FailureMode[] = ['dies', 'fails once', 'fails']

  for (const { name, first, next, fsGroup } of scenarios)
    for (const failure of failureModes)
      t.test(
        `${name}: the writer ${failure}`,
        { skip: fsGroup !== undefined && changesGroup },
        async t => {
          for (let calls = 0; ; calls++) {
            const directory = await makeDirectory(t)
            const options = fsGroup === undefined ? {} : { fsGroup }
            await prepareVolumeRoot(directory, options)
            const failing = failAfter(calls, failure, fill)
            const check = async (files: Files | undefined) =>
              files === undefined
                ? checkVolumeEmpty(directory)
                : checkVolumeContents(directory, makePayload(files), options)

            if (first !== undefined)
              await makeWriter(directory).write(makePayload(first), options)
            const before = await generation(directory)
            const writer = makeWriter(directory, {
              fileSystem: failing.fileSystem,
              fill: undefined,
            })
            const result = await Promise.race([
              writer.write(makePayload(next), options).then(
                () => 'written',
                () => 'failed',
              ),
              failing.died.then(() => 'died'),
            ])
            const call = failing.failedCall()
            if (call === undefined) {
              t.equal(result, 'written')
              const isOneCall = fill !== undefined && first === undefined
              t.ok(calls > (isOneCall ? 0 : 5), `${calls} calls in all`)
              return
            }

            await t.test(`before ${call}`, async t => {
              t.equal(result, failure === 'dies' ? 'died' : 'failed')
              const committed = (await generation(directory)) !== before
              const reader = makeWriter(directory)
              if (failure === 'fails once' && !committed)
                // It has cleaned up by itself.
                await check(first)
              await reader.recover()
              await check(committed ? next : first)
              await checkSilent(t, directory, () => reader.recover())
              await reader.write(makePayload(next), options)
              await check(next)
            })
            if (failure === 'dies') continue

            // The same writer goes on, without anybody calling recover.
            const again = await makeDirectory(t)
            await prepareVolumeRoot(again, options)
            if (first !== undefined)
              await makeWriter(again).write(makePayload(first), options)
            const passing = failAfter(calls, failure, fill)
            const same = makeWriter(again, {
              fileSystem: passing.fileSystem,
              fill: undefined,
            })
            await t.rejects(same.write(makePayload(next), options))
            passing.heal()
            await same.write(makePayload(next), options)
            await checkVolumeContents(again, makePayload(next), options)
          }
        },
      )
}

async function generation(directory: string): Promise<string | undefined> {
  return readlink(`${directory}/..data`).catch(() => undefined)
}

async function checkSilent(
  t: Test,
  directory: string,
  act: () => Promise<void>,
): Promise<void> {
  const inotify = new Inotify()
  inotify.watch(directory)
  await act()
  t.strictSame(formatEvents(inotify.drain()), [], 'a second recover is silent')
  inotify.close()
}

function describeRecovery(t: Test, { makeDirectory, makeWriter }: Place): void {
  const files = { a: '1', 'd/x': '2' }
  const damages: readonly {
    name: string
    damage: (directory: string) => Promise<unknown>
    empty?: boolean
  }[] = [
    { name: 'nothing wrong', damage: async () => {} },
    {
      name: 'a stale ..data_tmp',
      damage: directory => symlink('..nowhere', `${directory}/..data_tmp`),
    },
    {
      name: 'orphan timestamped directories',
      damage: directory =>
        mkdir(`${directory}/..2020_01_01_00_00_00.1/d/e`, { recursive: true }),
    },
    {
      name: 'a missing visible link',
      damage: directory => unlink(`${directory}/d`),
    },
    {
      name: 'a dangling visible link',
      damage: directory => symlink('..data/b', `${directory}/b`),
    },
    {
      name: '..data dangles',
      damage: async directory => {
        await unlink(`${directory}/..data`)
        await symlink('..2020_01_01_00_00_00.1', `${directory}/..data`)
      },
      empty: true,
    },
  ]
  for (const { name, damage, empty } of damages)
    t.test(`recover: ${name}`, async t => {
      const directory = await makeDirectory(t)
      await makeWriter(directory).write(makePayload(files))
      await damage(directory)
      const writer = makeWriter(directory)
      await writer.recover()
      if (empty) await checkVolumeEmpty(directory)
      else await checkVolumeContents(directory, makePayload(files))
      await checkSilent(t, directory, () => writer.recover())
      await writer.write(makePayload({ ...files, a: '2' }))
      await checkVolumeContents(directory, makePayload({ ...files, a: '2' }))
    })

  t.test('recover: an empty directory', async t => {
    const directory = await makeDirectory(t)
    await makeWriter(directory).recover()
    await checkVolumeEmpty(directory)
  })

  t.test('recover: what is not the writer’s stays', async t => {
    const directory = await makeDirectory(t)
    await makeWriter(directory).write(makePayload(files))
    await mkdir(`${directory}/nested`)
    await symlink('elsewhere', `${directory}/link`)
    await makeWriter(directory).recover()
    await checkVolumeContents(directory, makePayload(files), {
      foreign: ['nested', 'link'],
    })
  })
}
