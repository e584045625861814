import { VolumeHistory } from '../../src/volumes/volume-history.ts'
import t, { type Test } from 'tap'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { formatFinding, type Finding } from '../../src/api/report.ts'
import type { KubeObject, Volume } from '../../src/api/types.ts'
import { mountsBelow } from '../../src/linux/mountinfo.ts'
import { unmountPath } from '../../src/linux/unmount-path.ts'
import { Store } from '../../src/store/store.ts'
import { systemClock } from '../../src/util/clock.ts'
import { deferred } from '../../src/util/deferred.ts'
import { silentLogger } from '../../src/util/logger.ts'
import {
  ObjectVolumes,
  type ObjectVolumesOptions,
} from '../../src/volumes/object-volumes.ts'
import { needsRoot } from '../helpers/capability.ts'
import { cannotMount } from '../helpers/fuse-mount.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { Inotify } from '../helpers/inotify.ts'
import {
  makeConfigMap,
  makeNode,
  makePod,
  makeSecret,
} from '../helpers/make-objects.ts'
import { eventually } from '../helpers/podfs.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'

const execFileAsync = promisify(execFile)
const skip = await cannotMount()

interface Tree {
  readonly root: string
  readonly removed: string
}

async function makeTree(t: Test): Promise<Tree> {
  const directory = await makeTmpfsDirectory(t)
  const root = path.join(directory, 'volumes')
  const removed = path.join(directory, 'removed')
  await mkdir(root)
  await mkdir(removed)
  return { root, removed }
}

function follow(
  t: Test,
  { root, removed }: Tree,
  objects: readonly KubeObject[],
  adopted = false,
  more: Partial<ObjectVolumesOptions> = {},
) {
  const store = new Store()
  store.replace('test.yaml', objects)
  const findings: string[] = []
  const states = new Map<string, number>()
  const volumes = new ObjectVolumes({
    directory: root,
    removedDirectory: removed,
    adopted,
    store,
    node: makeNode(),
    tokens: () => Promise.reject(new Error('no tokens here')),
    rootCertificate: async () => 'certificate',
    clock: systemClock,
    logger: silentLogger,
    report: (finding: Finding) => findings.push(formatFinding(finding)),
    onVolume: ({ path }, { generation }) => states.set(path, generation),
    historyOf: () => new VolumeHistory(),
    onVolumeGone: ({ path }) => states.delete(path),
    ...more,
  })
  t.teardown(() => volumes.close())
  return {
    volumes,
    store,
    findings,
    states,
    set: (...objects: KubeObject[]) => store.replace('test.yaml', objects),
    read: (file: string) =>
      readFile(path.join(root, file), 'utf8').catch(() => undefined),
    names: async (directory = '') =>
      (
        await readdir(path.join(root, directory)).catch(() => [] as string[])
      ).sort(),
  }
}

const volume = (
  name: string,
  configMap: string,
  defaultMode = 0o644,
): Volume => ({
  name,
  configMap: { name: configMap, defaultMode, optional: false },
})

const data = makeConfigMap({ name: 'a', data: { key: 'one' } })

t.test('follows the objects of a store', async t => {
  const tree = await makeTree(t)
  const pod = makePod({ name: 'p', spec: { volumes: [volume('v', 'a')] } })
  const { volumes, set, read, names, states } = follow(t, tree, [data, pod])
  await volumes.start()
  t.equal(await read('default/configmaps/a/key'), 'one')
  t.equal(await read('default/pods/p/v/key'), 'one')
  t.equal(volumes.size, 2)
  set(
    makeConfigMap({ name: 'a', data: { key: 'two' } }),
    pod,
    makeSecret({ name: 's', namespace: 'other', data: { key: 'x' } }),
  )
  await eventually(async () => (await read('default/pods/p/v/key')) === 'two')
  await eventually(async () => (await read('other/secrets/s/key')) === 'x')
  t.equal(states.get('default/pods/p/v'), 2)
  set(data)
  await eventually(async () => (await names()).join() === 'default')
  await eventually(async () => (await names('default')).join() === 'configmaps')
  t.strictSame([...states.keys()], ['default/configmaps/a'])
  t.strictSame(await readdir(tree.removed), [])
})

t.test('what comes back while it goes is there, and is followed', async t => {
  const tree = await makeTree(t)
  const { volumes, set, read } = follow(t, tree, [data])
  await volumes.start()
  for (let round = 0; round < 20; round++) {
    set()
    if (round % 2 === 0) await new Promise(resolve => setImmediate(resolve))
    set(makeConfigMap({ name: 'a', data: { key: `back ${round}` } }))
    set(makeConfigMap({ name: 'a', data: { key: `last ${round}` } }))
    await eventually(
      async () => (await read('default/configmaps/a/key')) === `last ${round}`,
    )
  }
})

t.test('another definition of a volume: that one is made anew', async t => {
  const tree = await makeTree(t)
  const podWith = (...volumes: Volume[]) =>
    makePod({ name: 'p', spec: { volumes } })
  const { volumes, set, names } = follow(t, tree, [
    data,
    podWith(volume('v', 'a'), volume('stays', 'a'), volume('goes', 'a')),
  ])
  await volumes.start()
  const inotify = new Inotify()
  t.teardown(() => inotify.close())
  inotify.watch(path.join(tree.root, 'default/pods/p/stays'))
  set(
    data,
    podWith(
      volume('v', 'a', 0o400),
      volume('stays', 'a'),
      volume('comes', 'a'),
    ),
  )
  const mode = async (): Promise<number> =>
    (
      await stat(path.join(tree.root, 'default/pods/p/v/key')).catch(() => ({
        mode: 0,
      }))
    ).mode & 0o777
  await eventually(async () => (await mode()) === 0o400)
  await eventually(
    async () => (await names('default/pods/p')).join() === 'comes,stays,v',
  )
  t.strictSame(inotify.drain(), [])
})

t.test('a volume of other objects goes on in its place', async t => {
  const tree = await makeTree(t)
  const named = (name: string, key: string): KubeObject =>
    makeConfigMap({ name, data: { key } })
  const podOf = (name: string): KubeObject =>
    makePod({
      name: 'p',
      spec: {
        volumes: [
          volume('v', name),
          {
            name: 'both',
            projected: {
              defaultMode: 0o644,
              sources: [{ configMap: { name, optional: false } }],
            },
          },
        ],
      },
    })
  const { volumes, set, read, findings } = follow(t, tree, [
    named('a-1', 'one'),
    podOf('a-1'),
  ])
  await volumes.start()
  const inotify = new Inotify()
  t.teardown(() => inotify.close())
  const own = path.join(tree.root, 'default/pods/p')
  inotify.watch(own)
  // As kustomize gives a changed ConfigMap another name.
  set(named('a-2', 'two'), podOf('a-2'))
  for (const name of ['v', 'both'])
    await eventually(
      async () => (await read(`default/pods/p/${name}/key`)) === 'two',
    )
  set(named('a-2', 'three'), podOf('a-2'))
  await eventually(async () => (await read('default/pods/p/v/key')) === 'three')
  t.strictSame(inotify.drain(), [])
  t.strictSame(findings, [])
})

t.test('an object that cannot be published disturbs no other', async t => {
  const tree = await makeTree(t)
  // A file where directories are to be.
  await writeFile(path.join(tree.root, 'broken'), '')
  const { volumes, findings, read } = follow(t, tree, [
    data,
    makeConfigMap({ name: 'b', namespace: 'broken', data: { key: 'x' } }),
    makePod({
      name: 'p',
      spec: { volumes: [volume('v', 'a'), volume('w', 'no')] },
    }),
  ])
  await volumes.start()
  t.equal(await read('default/configmaps/a/key'), 'one')
  t.equal(await read('default/pods/p/v/key'), 'one')
  t.strictSame(
    findings.sort().map(text => text.replace(/'.*'/, 'PATH')),
    [
      'test.yaml:1:1: ConfigMap broken/b: cannot be published: ENOTDIR: not a directory, mkdir PATH',
      'test.yaml:1:1: Pod default/p: spec.volumes[1].configMap.name: MountVolume.SetUp failed for volume "w" : configmap "no" not found',
    ],
  )
  await t.test('and is tried again', async t => {
    await rm(path.join(tree.root, 'broken'))
    await eventually(
      async () => (await read('broken/configmaps/b/key')) === 'x',
    )
    t.equal(findings.length, 2, 'told once')
  })
})

t.test('a tree in which nothing can be made is given up', async t => {
  const tree = await makeTree(t)
  await writeFile(path.join(tree.root, 'default'), '')
  const clock = new FakeClock()
  let giveUp: (reason: string) => void = () => {}
  const reason = new Promise<string>(resolve => (giveUp = resolve))
  const { volumes } = follow(t, tree, [data], false, {
    clock,
    onBroken: giveUp,
  })
  await volumes.start()
  const ticking = setInterval(() => void clock.advance(1000), 5)
  t.match(await reason, /ENOTDIR|EEXIST/)
  clearInterval(ticking)
})

t.test(
  'an adopted tree: what is right stays, strangers go when told',
  async t => {
    const tree = await makeTree(t)
    const pod = makePod({
      name: 'p',
      spec: { volumes: [volume('v', 'a'), volume('old', 'a')] },
    })
    const gone = makeSecret({ name: 'gone', namespace: 'gone' })
    const before = follow(t, tree, [data, pod, gone])
    await before.volumes.start()
    await before.volumes.close()
    await mkdir(path.join(tree.root, 'default/other/x'), { recursive: true })
    await mkdir(path.join(tree.root, 'empty/pods'), { recursive: true })
    // Files where directories are to be.
    for (const name of ['file', 'default/secrets'])
      await writeFile(path.join(tree.root, name), '')
    await writeFile(path.join(tree.removed, '1'), '')
    const inotify = new Inotify()
    t.teardown(() => inotify.close())
    for (const right of ['default/pods/p/v', 'default/configmaps/a'])
      inotify.watch(path.join(tree.root, right))

    const { volumes, read, names, set } = follow(
      t,
      tree,
      [data, makePod({ name: 'p', spec: { volumes: [volume('v', 'a')] } })],
      true,
    )
    await volumes.start()
    t.strictSame(await names(), ['default', 'gone'])
    t.strictSame(await names('default'), ['configmaps', 'pods'])
    t.strictSame(await names('default/pods/p'), ['v'])
    t.strictSame(await readdir(tree.removed), [])
    volumes.removeStrangers()
    await eventually(async () => (await names()).join() === 'default')
    t.strictSame(inotify.drain(), [])
    set(makeConfigMap({ name: 'a', data: { key: 'two' } }))
    await eventually(
      async () => (await read('default/configmaps/a/key')) === 'two',
    )
  },
)

t.test('what cannot be removed is in nobody’s way', { skip }, async t => {
  const tree = await makeTree(t)
  const named = (name: string): KubeObject => makeConfigMap({ name, data: {} })
  const busy = async (place: string): Promise<void> => {
    const at = path.join(place, 'busy')
    await mkdir(at)
    await execFileAsync('mount', ['-n', '-t', 'tmpfs', 'busy', at])
  }
  t.teardown(async () => {
    const left = await mountsBelow(tree.removed)
    for (const { mountpoint } of left) await unmountPath(mountpoint)
  })
  const first = follow(t, tree, [named('a'), named('b')])
  await first.volumes.start()
  await busy(path.join(tree.root, 'default/configmaps/a'))
  first.set(named('b'))
  await eventually(() => !first.states.has('default/configmaps/a'))
  t.strictSame(first.findings, [])
  await first.volumes.close()
  t.strictSame(await readdir(tree.removed), ['1'])

  const next = follow(t, tree, [named('b')], true)
  await next.volumes.start()
  next.set()
  await eventually(async () => (await next.names()).length === 0)
  t.strictSame(next.findings, [])
  t.strictSame(await readdir(tree.removed), ['1'])
})

t.test('the last one of a kind goes as another one comes', async t => {
  const tree = await makeTree(t)
  const others = deferred<void>()
  let writing = 0
  const { volumes, set, read, names, states } = follow(t, tree, [data], false, {
    fill: async directory => {
      if (directory.includes('/other/')) {
        writing += 1
        await others.promise
      }
      return 0
    },
  })
  await volumes.start()
  // What comes now waits for its turn, below a directory that is empty meanwhile.
  const many = Array.from({ length: 100 }, (_, i) =>
    makeConfigMap({ name: `c${i}`, namespace: 'other', data: { key: 'x' } }),
  )
  set(data, ...many)
  await eventually(() => writing === 16)
  const next = [...many, makeConfigMap({ name: 'b', data: { key: 'two' } })]
  set(...next)
  await eventually(() => !states.has('default/configmaps/a'))
  set(...next, makeSecret({ name: 's', data: { key: 'x' } }))
  await eventually(async () => (await names('default')).includes('secrets'))
  others.resolve()
  await eventually(
    async () => (await read('default/configmaps/b/key')) === 'two',
  )
  const { mode } = await stat(path.join(tree.root, 'default/configmaps'))
  t.equal(mode & 0o777, 0o755, 'what is above it is for everybody')
})

t.test('a stranger that turns out to be wanted is adopted', async t => {
  const tree = await makeTree(t)
  const before = follow(t, tree, [data])
  await before.volumes.start()
  await before.volumes.close()
  const { volumes, set, states } = follow(t, tree, [], true)
  await volumes.start()
  const inotify = new Inotify()
  t.teardown(() => inotify.close())
  inotify.watch(path.join(tree.root, 'default/configmaps/a'))
  set(data)
  await eventually(() => states.has('default/configmaps/a'))
  volumes.removeStrangers()
  t.strictSame(inotify.drain(), [])
})

t.test(
  'an adopted volume of another definition is made anew',
  { skip: needsRoot('user') },
  async t => {
    const tree = await makeTree(t)
    const podWith = (defaultMode: number, fsGroup?: number) =>
      makePod({
        name: 'p',
        spec: {
          volumes: [volume('v', 'a', defaultMode)],
          securityContext: fsGroup === undefined ? {} : { fsGroup },
        },
      })
    const look = async (): Promise<string> => {
      const key = path.join(tree.root, 'default/pods/p/v/key')
      const { mode, gid } = await stat(key)
      return `${(mode & 0o7777).toString(8)} ${gid}`
    }
    const rounds = [
      { pod: podWith(0o644), expected: '644 0' },
      { pod: podWith(0o600), expected: '600 0' },
      { pod: podWith(0o600, 1234), expected: '640 1234' },
      { pod: podWith(0o640), expected: '640 0' },
    ]
    for (const [round, { pod, expected }] of rounds.entries()) {
      const { volumes, states } = follow(t, tree, [data, pod], round > 0)
      await volumes.start()
      t.equal(await look(), expected)
      t.equal(states.get('default/pods/p/v'), 1)
      await volumes.close()
    }
  },
)

t.test('thousands of files at once need few descriptors', async t => {
  const tree = await makeTree(t)
  const many = Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [`key-${i}`, 'x']),
  )
  const objects = Array.from({ length: 200 }, (_, i) =>
    makeConfigMap({ name: `c${i}`, data: many }),
  )
  const { volumes, findings, read } = follow(t, tree, objects)
  const started = volumes.start().then(() => 'started')
  let most = 0
  for (let state = ''; state !== 'started';) {
    most = Math.max(most, (await readdir('/proc/self/fd')).length)
    state = await Promise.race([started, Promise.resolve('')])
  }
  t.strictSame(findings, [])
  t.equal(await read('default/configmaps/c199/key-19'), 'x')
  t.ok(most < 300, `${most} descriptors`)
})
