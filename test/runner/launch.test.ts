import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import t, { type Test } from 'tap'

import type { Container, PodSpec, VolumeMount } from '../../src/api/types.ts'
import { passwdWith } from '../../src/runner/launch/accounts.ts'
import type { ContainerRoot } from '../../src/runner/sandbox/container-runtime.ts'
import { createImageMap } from '../../src/runner/launch/images.ts'
import {
  containerLaunch,
  expectedRoot,
  mountedVolumeNames,
  type ContainerVolume,
  type LaunchContext,
} from '../../src/runner/launch/launch.ts'
import {
  makeContainer,
  makeNode,
  makePod,
  usualPolicy,
} from '../helpers/make-objects.ts'
import { ofSecret } from '../helpers/project.ts'

const images = createImageMap([
  { pattern: 'app', entrypoint: ['/app'], path: '/app/bin', workingDir: '/w' },
  { pattern: 'env', entrypoint: ['/env'], env: new Map([['PATH', '/e']]) },
  { pattern: 'plain', entrypoint: ['/plain'], env: new Map([['A', '1']]) },
  { pattern: 'web', entrypoint: ['/web'], user: 'web' },
])

const directory = t.testdir()

function makeContext(
  volumes: Readonly<Record<string, ContainerVolume>> = {},
  spec: Partial<PodSpec> = {},
): LaunchContext {
  return {
    pod: makePod({ spec: { volumes: [ofSecret()], ...spec } }),
    node: makeNode(),
    podIPs: [],
    configMap: () => undefined,
    secret: () => undefined,
    images,
    policy: usualPolicy,
    volumes: new Map(Object.entries(volumes)),
    hostname: { hostname: 'pod', domain: '', kernelHostname: 'pod' },
    machineHostname: 'machine',
    accounts: {
      passwd: 'root:x:0:0::/root:/bin/sh\nweb:x:33:33::/var/www:/bin/sh\n',
      group: '',
    },
    securityModules: () => ({}),
    path: '/bin',
    hostsFile: '/run/hosts',
    passwdFile: join(directory, 'passwd'),
    emptyDirectories: '/nowhere',
    terminationLog: '/run/termination-log',
  }
}

const mount = (name: string, mountPath: string, extra = {}) => ({
  name,
  mountPath,
  readOnly: false,
  ...extra,
})
const ofImage = (image: string, options: Partial<Container> = {}) =>
  makeContainer({ image, ...options })
const plain: ContainerVolume = { path: '/a', readOnly: false, recursive: true }

/** A managed volume with a key, and a directory that others write to, too. */
async function makeVolumes(t: Test) {
  const root = await realpath(t.testdir({ managed: { key: 'x' }, shared: {} }))
  const managed = { path: `${root}/managed`, readOnly: true, recursive: false }
  const shared = { path: `${root}/shared`, readOnly: false, recursive: false }
  return { root, managed, shared }
}

t.test('what the image says, where the manifest does not', async t => {
  const context = makeContext()
  t.match(await containerLaunch(ofImage('app'), context), {
    argv: ['/app'],
    workingDir: '/w',
    isImagePath: true,
    busybox: false,
    warnings: [],
  })
  const own = ofImage('app', { workingDir: '/mine' })
  t.equal((await containerLaunch(own, context)).workingDir, '/mine')
  const bare = await containerLaunch(ofImage('plain'), context)
  t.notOk('workingDir' in bare)
  t.notOk('user' in bare, 'the run-time chooses')
  const { busybox } = await containerLaunch(ofImage('busybox'), context)
  t.equal(busybox, true)
  const unknown = ofImage('unknown', { command: ['/x'] })
  t.match(await containerLaunch(unknown, context), {
    argv: ['/x'],
    busybox: false,
    isImagePath: false,
  })
})

t.test('whose PATH it is', async t => {
  const context = makeContext()
  const pathOf = async (image: string, env: Container['env'] = []) => {
    const launch = await containerLaunch(ofImage(image, { env }), context)
    return [launch.env.get('PATH'), launch.isImagePath]
  }
  t.strictSame(await pathOf('plain'), ['/bin', false], 'of this machine')
  t.strictSame(await pathOf('app'), ['/app/bin', true], 'of the image')
  t.strictSame(await pathOf('env'), ['/e', true], 'of its environment')
  const own = [{ name: 'PATH', value: '/own' }]
  t.strictSame(await pathOf('app', own), ['/own', false], 'of the manifest')
})

t.test(
  'a user without an account is in the passwd of its container',
  async t => {
    const as = async (runAsUser: number, ...mounts: VolumeMount[]) => {
      const securityContext = { runAsUser, runAsGroup: 7 }
      const context = makeContext({ v: plain }, { securityContext })
      const container = makeContainer({ volumeMounts: mounts })
      const launch = await containerLaunch(container, context)
      const paths = (root?: ContainerRoot) =>
        root?.mounts.map(({ mountPath }) => mountPath)
      t.same(paths(expectedRoot(container, context)), paths(launch))
      return launch.mounts.find(({ mountPath }) => mountPath === '/etc/passwd')
    }
    const { source = '' } = (await as(999)) ?? {}
    t.equal(
      await readFile(source, 'utf8'),
      `${makeContext().accounts.passwd}999:x:999:7:container user:/:/sbin/nologin\n`,
    )
    t.equal(await as(33), undefined, 'who has one')
    t.equal(await as(999, mount('v', '/etc/')), undefined)
    t.match(await as(999, mount('v', '/etc/passwd')), { source: '/a' })
    const torn = { passwd: 'root:x:0:0::/root:/bin/sh', group: '' }
    t.match(passwdWith(torn, { uid: 9, gid: 9 }), /sh\n9:x:9:9:.*\n$/)
  },
)

t.test('labels', async t => {
  const appArmorProfile = { type: 'Localhost', localhostProfile: 'p' }
  const container = makeContainer({ securityContext: { appArmorProfile } })
  const context = makeContext()
  await t.rejects(containerLaunch(container, context), {
    code: 'CONTAINER_CREATE',
  })
  const appArmor = { ownProfile: 'unconfined', aaExec: '/aa-exec' }
  const securityModules = () => ({ appArmor })
  t.match(await containerLaunch(container, { ...context, securityModules }), {
    labels: { appArmor: { aaExec: '/aa-exec', profile: 'p' } },
  })
})

t.test('home and user', async t => {
  const as = async (image: string, runAsUser?: number) => {
    const securityContext = runAsUser === undefined ? {} : { runAsUser }
    const context = makeContext({}, { securityContext })
    const { env, user } = await containerLaunch(ofImage(image), context)
    return [user?.uid, env.get('HOME')]
  }
  t.strictSame(await as('plain'), [undefined, '/root'])
  t.strictSame(await as('web'), [33, '/var/www'])
  t.strictSame(await as('plain', 33), [33, '/var/www'])
  t.strictSame(await as('plain', 99), [99, '/'], 'who has no account')
  const launch = await containerLaunch(ofImage('plain'), makeContext())
  t.equal(launch.env.get('A'), '1', "and the image's environment")
})

t.test('hostname and hosts file', async t => {
  const launch = await containerLaunch(ofImage('plain'), makeContext())
  t.match(launch, { hostsFile: '/run/hosts' })
  t.equal(launch.env.get('HOSTNAME'), 'pod')
  const onHost = await containerLaunch(ofImage('plain'), {
    ...makeContext(),
    hostname: { hostname: 'pod', domain: '' },
  })
  t.equal(onHost.env.get('HOSTNAME'), 'machine')
  const hostsOf = (...paths: string[]) =>
    expectedRoot(
      ofImage('plain', { volumeMounts: paths.map(path => mount('a', path)) }),
      makeContext({ a: plain }),
    )?.hostsFile
  t.equal(hostsOf('/etc', '/etc/hosts.d'), '/run/hosts')
  t.equal(hostsOf('/x', '/etc//hosts'), undefined, 'C176: it keeps its own')
})

t.test(
  'mounts: parents first, read-only where one of the two says so',
  async t => {
    const volumes = {
      a: plain,
      managed: { path: '/m', readOnly: true, recursive: false },
    }
    const volumeMounts = [
      mount('a', '/x/y/z'),
      mount('managed', '/x//y/'),
      mount('a', '/b', { readOnly: true }),
      mount('a', '/'),
    ]
    const container = ofImage('plain', { volumeMounts })
    const expected = [
      { source: '/a', mountPath: '/', readOnly: false, recursive: true },
      { source: '/a', mountPath: '/b', readOnly: true, recursive: true },
      { source: '/m', mountPath: '/x//y/', readOnly: true, recursive: false },
      {
        source: '/run/termination-log',
        mountPath: '/dev/termination-log',
        readOnly: false,
        recursive: false,
      },
      { source: '/a', mountPath: '/x/y/z', readOnly: false, recursive: true },
    ]
    const context = makeContext(volumes)
    t.strictSame((await containerLaunch(container, context)).mounts, expected)
    t.strictSame(
      expectedRoot(container, context)?.mounts,
      expected.map(each =>
        each.source === '/run/termination-log'
          ? each
          : { ...each, isDirectory: true },
      ),
      'known before the volumes are there',
    )
  },
)

t.test(
  'terminationMessagePath lies over a volume at the same place',
  async t => {
    const volumeMounts = [mount('a', '/x'), mount('a', '/m')]
    const container = ofImage('plain', {
      volumeMounts,
      terminationMessagePath: '/m',
    })
    const { mounts } = await containerLaunch(
      container,
      makeContext({ a: plain }),
    )
    t.same(
      mounts.map(({ source }) => source),
      ['/a', '/a', '/run/termination-log'],
    )
  },
)

t.test('what cannot be known before the volumes are there', async t => {
  const known = (extra: object, name = 'a') =>
    expectedRoot(
      ofImage('plain', { volumeMounts: [mount(name, '/x', extra)] }),
      makeContext({ a: plain }),
    ) !== undefined
  t.equal(known({}), true)
  t.equal(known({ subPath: 'x' }), false)
  t.equal(known({ subPathExpr: '$(X)' }), false)
  t.equal(known({}, 'b'), false)
})

t.test('a volume that is not there', async t => {
  await t.rejects(
    containerLaunch(
      ofImage('plain', { volumeMounts: [mount('b', '/x')] }),
      makeContext({ a: plain }),
    ),
    { code: 'CONTAINER_CONFIG', message: 'volume "b" not found' },
  )
})

t.test(
  'a subPath: which file it is, unless nobody can put another there',
  async t => {
    const { managed, shared } = await makeVolumes(t)
    await writeFile(join(shared.path, 'file'), '')
    const mounts = async (name: string, subPath: string) => {
      const launch = await containerLaunch(
        ofImage('plain', { volumeMounts: [mount(name, '/x', { subPath })] }),
        makeContext({ managed, shared }),
      )
      return launch.mounts[0]
    }
    t.match(await mounts('shared', 'file'), {
      source: join(shared.path, 'file'),
      identity: /./,
    })
    const ofManaged = await mounts('managed', 'key')
    t.equal(ofManaged?.source, join(managed.path, 'key'))
    t.notOk('identity' in (ofManaged ?? {}))
  },
)

t.test('a subPath of a managed volume at which nothing is', async t => {
  const { root, managed } = await makeVolumes(t)
  const context = {
    ...makeContext({ v: managed, w: managed }),
    emptyDirectories: `${root}/empty`,
  }
  const launch = (name: string) =>
    containerLaunch(
      ofImage('plain', {
        volumeMounts: [mount(name, '/x', { subPath: 'gone' })],
      }),
      context,
    )
  const { mounts, warnings } = await launch('v')
  t.match(mounts[0], { source: /^.*\/empty\/[0-7]+$/, readOnly: true })
  t.strictSame(warnings, [
    'subPath "gone" of volume "v" is an empty directory: Secret default/s has no key "gone"',
  ])
  t.strictSame((await launch('w')).warnings, [
    'subPath "gone" of volume "w" is an empty directory: no item of the volume has this path',
  ])
})

t.test(
  'a volume that may be mounted anew is looked for where it is now',
  async t => {
    const { root, managed } = await makeVolumes(t)
    await mkdir(`${root}/anew`)
    let now = managed.path
    const volume = { ...managed, path: '/old', current: async () => now }
    const locateOf = async (extra: object) => {
      const { mounts } = await containerLaunch(
        ofImage('plain', { volumeMounts: [mount('v', '/x', extra)] }),
        makeContext({ v: volume }),
      )
      return mounts[0]
    }
    const whole = await locateOf({})
    const key = await locateOf({ subPath: 'key' })
    t.equal(whole?.source, managed.path)
    now = `${root}/anew`
    t.equal(await whole?.locate?.(), `${root}/anew`)
    await t.rejects(Promise.resolve(key?.locate?.()), {
      message: 'subPath key: no such file or directory',
    })
    await writeFile(`${root}/anew/key`, '')
    t.equal(await key?.locate?.(), `${root}/anew/key`)
    const root2 = expectedRoot(
      ofImage('plain', { volumeMounts: [mount('v', '/x')] }),
      makeContext({ v: volume }),
    )
    t.equal(await root2?.mounts[0]?.locate?.(), `${root}/anew`)
  },
)

t.test('a start waits for the volumes that are mounted, each once', async t => {
  const pod = makePod({
    spec: {
      initContainers: [
        makeContainer({ volumeMounts: [mount('a', '/1'), mount('b', '/2')] }),
      ],
      containers: [
        makeContainer({ volumeMounts: [mount('c', '/1'), mount('a', '/3')] }),
      ],
    },
  })
  t.strictSame(mountedVolumeNames(pod), ['a', 'b', 'c'])
})
