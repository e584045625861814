import t from 'tap'
import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Test } from 'tap'
import type { Finding } from '../../src/api/report.ts'
import type { KubeObject, Volume } from '../../src/api/types.ts'
import { Store } from '../../src/store/store.ts'
import { loadSigningKey } from '../../src/tokens/signing-key.ts'
import { TokenIssuer } from '../../src/tokens/token-issuer.ts'
import { TokenManager } from '../../src/tokens/token-manager.ts'
import { silentLogger } from '../../src/util/logger.ts'
import {
  PodVolumes,
  type PodVolumesOptions,
} from '../../src/volumes/pod-volumes.ts'
import type { VolumeState } from '../../src/volumes/published-volume.ts'
import { VolumeHistory } from '../../src/volumes/volume-history.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import {
  makeConfigMap,
  makeNode,
  makePod,
  makeSecret,
} from '../helpers/make-objects.ts'
import { eventually } from '../helpers/podfs.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'

async function publish(
  t: Test,
  volumes: readonly Volume[],
  objects: readonly KubeObject[],
  historyOf?: (volume: string) => VolumeHistory,
  more: Partial<PodVolumesOptions> = {},
) {
  const directory = await makeTmpfsDirectory(t)
  const store = new Store()
  const clock = new FakeClock()
  const findings: Finding[] = []
  const states: VolumeState[] = []
  store.replace('test.yaml', objects)
  const published = new PodVolumes({
    pod: makePod({ spec: { volumes } }),
    directory,
    store,
    node: makeNode(),
    rootCertificate: async () => 'certificate',
    tokens: async () => {
      const key = await loadSigningKey(path.join(directory, '..', 'key.pem'))
      return new TokenManager(new TokenIssuer(key, 'https://issuer'), clock)
    },
    clock,
    logger: silentLogger,
    report: finding => findings.push(finding),
    onState: state => states.push(state),
    ...(historyOf === undefined ? {} : { historyOf }),
    ...more,
  })
  t.teardown(() => published.close())
  published.start()
  return {
    published,
    store,
    clock,
    findings,
    states,
    directory,
    read: (file: string) =>
      readFile(path.join(directory, file), 'utf8').catch(() => undefined),
  }
}

const configVolume: Volume = {
  name: 'config',
  configMap: { name: 'config', defaultMode: 0o644, optional: false },
}

t.test('publishes all managed volumes of a Pod, and only those', async t => {
  const { published, directory, read } = await publish(
    t,
    [
      configVolume,
      {
        name: 'secret',
        secret: { secretName: 'secret', defaultMode: 0o400, optional: false },
      },
      { name: 'scratch', emptyDir: { medium: '' } },
    ],
    [makeConfigMap({ data: { a: '1' } }), makeSecret({ data: { b: '2' } })],
  )
  t.strictSame(published.names, ['config', 'secret'])
  await published.allPublished()
  t.strictSame((await readdir(directory)).sort(), ['config', 'secret'])
  t.equal(await read('config/a'), '1')
  t.equal(await read('secret/b'), '2')
  t.equal((await stat(path.join(directory, 'config'))).mode & 0o7777, 0o777)
  t.equal((await stat(path.join(directory, 'secret'))).mode & 0o7777, 0o1777)
  t.equal((await stat(path.join(directory, 'secret/b'))).mode & 0o777, 0o400)
})

t.test('C48, C71: follows its objects and its Pod', async t => {
  const { published, store, read } = await publish(
    t,
    [
      configVolume,
      {
        name: 'info',
        downwardAPI: {
          defaultMode: 0o644,
          items: [
            { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
          ],
        },
      },
    ],
    [makeConfigMap({ data: { a: '1' } })],
  )
  await published.allPublished()
  store.replace('test.yaml', [makeConfigMap({ data: { a: '2' } })])
  t.ok(await eventually(async () => (await read('config/a')) === '2'))
  published.updatePod(makePod({ labels: { tier: 'test' } }))
  t.ok(
    await eventually(async () => (await read('info/labels')) === 'tier="test"'),
  )
})

t.test('its Pod has other volumes of the same name now', async t => {
  const { published, store, read } = await publish(
    t,
    [configVolume],
    [makeConfigMap({ data: { a: '1' } })],
  )
  await published.allPublished()
  const { name } = configVolume
  const secret: Volume = {
    name,
    secret: { secretName: 'other', defaultMode: 0o644, optional: false },
  }
  const unwatch = store.watch(() =>
    published.redefine(makePod({ spec: { volumes: [secret] } })),
  )
  store.replace('test.yaml', [makeSecret({ name: 'other', data: { a: '2' } })])
  unwatch()
  t.ok(await eventually(async () => (await read('config/a')) === '2'))
  store.replace('test.yaml', [makeSecret({ name: 'other', data: { a: '3' } })])
  t.ok(await eventually(async () => (await read('config/a')) === '3'))
  published.redefine(makePod({ spec: { volumes: [] } }))
  store.replace('test.yaml', [makeSecret({ name: 'other', data: { a: '4' } })])
  t.ok(await eventually(async () => (await read('config/a')) === '4'))
})

t.test(
  'C53: waits for a required object, says so once, and goes on when it comes',
  async t => {
    const { published, store, findings, read } = await publish(
      t,
      [configVolume],
      [],
    )
    await eventually(() => findings.length > 0)
    t.match(findings[0], {
      treatment: 'rejected',
      fieldPath: 'spec.volumes[0].configMap.name',
      message:
        'MountVolume.SetUp failed for volume "config" : configmap "config" not found',
    })
    store.replace('other.yaml', [makeConfigMap({ name: 'unrelated' })])
    store.replace('test.yaml', [makeConfigMap({ data: { a: '1' } })])
    await published.published('config')
    t.equal(await read('config/a'), '1')

    await t.test(
      'after it was published, the last good state stays',
      async t => {
        store.replace('test.yaml', [])
        await eventually(() => findings.length > 1)
        t.equal(await read('config/a'), '1')
      },
    )
    t.equal(findings.length, 2)
  },
)

t.test('what fails again and again is the mount’s fault', async t => {
  let tries = 0
  let giveUp: (reason: string) => void = () => {}
  const reason = new Promise<string>(resolve => (giveUp = resolve))
  const { clock } = await publish(
    t,
    [configVolume],
    [makeConfigMap({ name: 'config', data: { key: 'one' } })],
    undefined,
    {
      onBroken: giveUp,
      fill: () => {
        tries += 1
        const error = Object.assign(new Error('EIO'), { code: 'EIO' })
        return Promise.reject(error)
      },
    },
  )
  const ticking = setInterval(() => void clock.advance(1000), 5)
  t.equal(await reason, 'EIO')
  clearInterval(ticking)
  t.ok(tries >= 5)
})

t.test(
  'of many changes during one write the last one wins, without one write each',
  async t => {
    const { published, store, directory, read } = await publish(
      t,
      [configVolume],
      [makeConfigMap({ data: { a: '0' } })],
    )
    await published.allPublished()
    const generations = new Set<string>()
    for (let i = 1; i <= 500; i++)
      store.replace('test.yaml', [makeConfigMap({ data: { a: String(i) } })])
    await eventually(async () => {
      generations.add(await readlink(path.join(directory, 'config/..data')))
      return (await read('config/a')) === '500'
    })
    t.ok(generations.size < 100, `${generations.size} generations`)
  },
)

t.test('a file that takes the place of another is told once', async t => {
  const whole = (name: string) => ({ configMap: { name, optional: false } })
  const { published, store, findings, read } = await publish(
    t,
    [
      {
        name: 'all',
        projected: { defaultMode: 0o644, sources: [whole('a'), whole('b')] },
      },
    ],
    [
      makeConfigMap({ name: 'a', data: { toto: '1' } }),
      makeConfigMap({ name: 'b', data: { toto: '2' } }),
    ],
  )
  const set = (a: string, b: Record<string, string>) =>
    store.replace('test.yaml', [
      makeConfigMap({ name: 'a', data: { toto: a } }),
      makeConfigMap({ name: 'b', data: b }),
    ])
  const shows = async (text: string) =>
    t.ok(await eventually(async () => (await read('all/toto')) === text))
  await published.allPublished()
  t.equal(await read('all/toto'), '2')
  set('1', { toto: '3' })
  await shows('3')
  const warning = {
    treatment: 'warning',
    fieldPath: 'spec.volumes[0].projected.sources[1].configMap.name',
    message:
      'volume "all": "toto" takes the place of that of spec.volumes[0].projected.sources[0].configMap.name',
  }
  t.match(findings, [warning], 'once')
  t.equal(findings.length, 1)
  set('1', { other: '' })
  await shows('1')
  set('1', { toto: '4' })
  await shows('4')
  t.match(findings, [warning, warning], 'again, after it was mended')
})

t.test('C83: a token is renewed after 80 % of its life', async t => {
  const { published, clock, read } = await publish(
    t,
    [
      {
        name: 'token',
        projected: {
          defaultMode: 0o644,
          sources: [
            { serviceAccountToken: { path: 'token', expirationSeconds: 600 } },
          ],
        },
      },
    ],
    [],
  )
  await published.allPublished()
  const first = await read('token/token')
  t.match(first, /^[\w-]+\.[\w-]+\.[\w-]+$/)
  await clock.advance(479_000)
  t.equal(await read('token/token'), first)
  await clock.advance(2_000)
  await eventually(async () => (await read('token/token')) !== first)
})

t.test('a rollback publishes again, and pins', async t => {
  const history = new VolumeHistory()
  const { published, store, directory, states, findings, read } = await publish(
    t,
    [configVolume],
    [makeConfigMap({ data: { a: '1', old: '1' } })],
    () => history,
  )
  const set = (data: Record<string, string>) =>
    store.replace('test.yaml', [makeConfigMap({ data })])
  const volume = published.get('config')
  const shows = (a: string) =>
    eventually(async () => (await read('config/a')) === a)
  const tsDir = () => readlink(path.join(directory, 'config/..data'))
  await published.allPublished()
  set({ a: '2' })
  await shows('2')

  const before = await tsDir()
  t.equal(await volume.rollBack(1), true)
  t.equal(await read('config/a'), '1', 'it is there when the promise resolves')
  t.equal(await read('config/old'), '1')
  t.not(await tsDir(), before, 'by the swap of ..data')
  t.match(states.at(-1), { generation: 3, pinned: 1, rollbackTo: 1, keys: 2 })

  await t.test('a change that is none leaves it', async t => {
    store.replace('test.yaml', [
      makeConfigMap({ data: { a: '2' }, labels: { new: 'label' } }),
    ])
    published.updatePod(makePod({ spec: { volumes: [configVolume] } }))
    t.equal(await volume.rollBack(3), false)
    t.equal(await read('config/a'), '1')
  })
  await t.test('a source that goes leaves it, and is told', async t => {
    store.replace('test.yaml', [])
    await eventually(() => findings.length === 1)
    t.match(states.at(-1), { pinned: 1, error: 'configmap "config" not found' })
    t.equal(await volume.rollBack(2), true, 'another one can be shown')
    t.equal(await read('config/a'), '2')
    await volume.rollBack(1)
    t.equal(await volume.unpin(), true)
    t.equal(await read('config/a'), '2', 'what it said last')
    t.match(states.at(-1), { error: 'configmap "config" not found' })
    t.equal(states.at(-1)?.pinned, undefined)
    t.equal(findings.length, 1, 'told once')
    set({ a: '2' })
    await eventually(() => states.at(-1)?.error === undefined)
  })
  await t.test('a change of the source ends it', async t => {
    await volume.rollBack(1)
    t.equal(states.at(-1)?.pinned, 1)
    set({ a: '3' })
    await shows('3')
    await eventually(() => states.at(-1)?.pinned === undefined)
  })
  await t.test('unpin ends it', async t => {
    await volume.rollBack(1)
    t.equal(await volume.unpin(), true)
    t.equal(await read('config/a'), '3')
    t.equal(await volume.unpin(), false)
  })
  await t.test('it outlives the mount', async t => {
    await volume.rollBack(1)
    const generation = history.current?.generation
    const again = async () => {
      const next = await publish(
        t,
        [configVolume],
        [makeConfigMap({ data: { a: '3' } })],
        () => history,
      )
      await next.published.allPublished()
      return next
    }
    await published.close()
    const next = await again()
    t.equal(await next.read('config/a'), '1')
    t.match(next.states, [{ generation, pinned: 1 }], 'and counts on')
    await next.published.close()
    await t.rejects(next.published.get('config').rollBack(2), {
      code: 'VOLUME_NOT_PUBLISHED',
    })
    t.equal(await (await again()).read('config/a'), '2', 'done on the next one')
  })
})
