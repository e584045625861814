/*
 * `podfs history`, `diff`, `rollback` and `unpin` on the tree of `podfs serve`: volumes of
 * Pods, and those of ConfigMaps and Secrets, which are no Pod's.
 */
import path from 'node:path'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { eventually, podfs } from '../helpers/podfs.ts'
import { configMap, end, pod, secret, world } from '../helpers/served-world.ts'

t.setTimeout(240_000)
const skip = cannotStart()

const volumes = `{name: cfg, configMap: {name: settings}}, {name: key, secret: {secretName: db}}`

/** What is served in the namespace shop; a mark that concerns no volume. */
function manifest(data: {
  readonly colour: string
  readonly password: string
  readonly mark?: string
}): string {
  const { colour, password, mark = 'none' } = data
  return (
    configMap('settings', `{colour: "${colour}\\n"}`, 'shop') +
    secret('db', `{password: ${password}}`, 'shop') +
    configMap('other', `{mark: ${mark}}`, 'shop') +
    pod('web', volumes).replace('name: web', 'name: web\n  namespace: shop')
  )
}

const first = manifest({ colour: 'blue', password: 'canary-one' })
const second = manifest({ colour: 'red', password: 'canary-two' })

t.test('the past of each kind of volume in the tree', { skip }, async t => {
  const { start, write, root, at, text, configure } = world(t, {
    'shop.yaml': first,
  })
  const said: string[] = []
  const look = async (...args: string[]) => {
    const ended = await podfs(t, [...args, '--session', root], { cwd: root })
    said.push(ended.stdout, ended.stderr)
    return ended
  }
  let serving = await start()
  const ofConfigMap = {
    source: 'configmap/settings',
    values: ['blue\n', 'red\n'],
    diff: /^-blue\n\+red\n$/m,
  } as const
  const ofSecret = {
    source: 'secret/db',
    values: ['canary-one', 'canary-two'],
    diff: /^-hmac-sha256:[0-9a-f]{12}\n\+hmac-sha256:[0-9a-f]{12}\n$/m,
  } as const
  const kinds = [
    {
      ...ofConfigMap,
      name: 'web.cfg',
      words: ['shop/web/cfg', 'shop/pods/web/cfg'],
      file: 'shop/pods/web/cfg/colour',
    },
    {
      ...ofSecret,
      name: 'web.key',
      words: ['shop/web/key', 'shop/pods/web/key'],
      file: 'shop/pods/web/key/password',
    },
    {
      ...ofConfigMap,
      name: 'configmap:settings',
      words: ['shop/configmap:settings', 'shop/configmaps/settings'],
      file: 'shop/configmaps/settings/colour',
    },
    {
      ...ofSecret,
      name: 'secret:db',
      words: ['shop/secret:db', 'shop/secrets/db'],
      file: 'shop/secrets/db/password',
    },
  ] as const
  const all = (generation: 0 | 1) =>
    eventually(() =>
      kinds.every(({ file, values }) => text(file) === values[generation]),
    )
  await all(0)
  write('shop.yaml', second)
  await all(1)

  for (const { name, words, file, source, values, diff } of kinds)
    await t.test(name, async t => {
      const [word, relative] = words
      const key = path.basename(file)
      for (const [each, ...more] of [
        [word],
        [at(relative)],
        [`./${relative}`],
        [`volume.podfs.io/${name}`, '-n', 'shop'],
      ] as const)
        t.match(
          await look('history', each, ...more),
          {
            code: 0,
            stdout: new RegExp(
              `^GENERATION .*\n1 +\\d+s +superseded +${source} +\\+${key}\n2 +\\d+s +current +${source} +~${key}\n$`,
            ),
          },
          each,
        )
      t.match(await look('diff', word), { code: 0, stdout: diff })
      t.match(await look('rollback', word, '1'), {
        code: 0,
        stdout: `volume.podfs.io/${name} rolled back to generation 1\n`,
      })
      t.equal(text(file), values[0])
      t.match((await look('rollback', word, '1')).stdout, /skipped rollback/)
    })
  const pinned = async (): Promise<string> =>
    (
      await look(
        'get',
        'volumes',
        '-n',
        'shop',
        '-o',
        'jsonpath={.items[*].status.pinnedGeneration}',
      )
    ).stdout
  t.equal(await pinned(), '1 1 1 1')

  await t.test('a pin holds until its own source changes', async t => {
    // Another object, the Pod's annotations, and the configuration.
    write(
      'shop.yaml',
      manifest({
        colour: 'red',
        password: 'canary-two',
        mark: 'other',
      }).replace('annotations: {}', 'annotations: {note: new}'),
    )
    await eventually(() => text('shop/configmaps/other/mark') === 'other')
    configure('logLevel: info')
    t.match(await look('reload'), { code: 0 })
    await all(0)
    t.equal(await pinned(), '1 1 1 1')
    write(
      'shop.yaml',
      manifest({ colour: 'green', password: 'canary-two', mark: 'other' }),
    )
    await eventually(() => text('shop/pods/web/cfg/colour') === 'green\n')
    await eventually(
      () => text('shop/configmaps/settings/colour') === 'green\n',
    )
    t.equal(await pinned(), '1 1', 'those of the Secret')
    t.equal(text('shop/secrets/db/password'), 'canary-one')
  })

  await t.test('unpin shows what the source says', async t => {
    for (const name of ['web.key', 'secret:db'])
      t.match(await look('unpin', `volume.podfs.io/${name}`, '-n', 'shop'), {
        code: 0,
        stdout: `volume.podfs.io/${name} unpinned\n`,
      })
    t.equal(text('shop/pods/web/key/password'), 'canary-two')
    t.equal(text('shop/secrets/db/password'), 'canary-two')
    t.match((await look('unpin', 'shop/secret:db')).stdout, /is not pinned/)
  })

  await t.test('its events are those of the object', async t => {
    const { stdout } = await look('get', 'events', '-n', 'shop')
    for (const object of ['pod/web', 'configmap/settings', 'secret/db'])
      for (const reason of ['VolumeRolledBack', 'VolumeUnpinned'])
        t.match(stdout, new RegExp(`Normal +${reason} +${object} `))
    t.notMatch(stdout, 'pod/settings')
    t.match(
      (await look('get', 'events', '-n', 'shop', '-o', 'json')).stdout,
      /"count": 1,/,
      'a pin is told once',
    )
    t.match(
      (await look('describe', 'configmap', 'settings', '-n', 'shop')).stdout,
      /^Events:\n[^]*VolumeRolledBack/m,
    )
  })

  await t.test('the next podfs begins with what is there', async t => {
    await look('rollback', 'shop/configmap:settings', '1')
    t.equal(text('shop/configmaps/settings/colour'), 'blue\n')
    serving.child.kill('SIGKILL')
    await serving.ended
    serving = await start()
    t.equal(
      text('shop/configmaps/settings/colour'),
      'green\n',
      'a pin is not written down',
    )
    for (const { words, source } of kinds)
      t.match(
        (await look('history', words[0])).stdout,
        new RegExp(`^GENERATION .*\n1 +\\S+ +current +${source} .*\n$`),
      )
    t.match(await look('diff', 'shop/web/cfg'), {
      code: 0,
      stdout: '',
      stderr: 'There is one generation only: nothing to compare it with.\n',
    })
    write('shop.yaml', second)
    await eventually(() => text('shop/pods/web/cfg/colour') === 'red\n')
    t.match((await look('diff', 'shop/web/cfg')).stdout, /^-green\n\+red\n$/m)
    t.match(await look('rollback', 'shop/web/cfg', '1'), { code: 0 })
    t.equal(text('shop/pods/web/cfg/colour'), 'green\n')
    t.match(await look('unpin', at('shop/pods/web/cfg')), { code: 0 })
    t.equal(text('shop/pods/web/cfg/colour'), 'red\n')
  })

  await t.test('a wrong name, with the right one to type', async t => {
    t.match(await look('history', 'shop/configmap:setings'), {
      code: 2,
      stderr: /did you mean shop\/configmap:settings\?/,
    })
    t.match(await look('history', 'configmap:settings'), {
      code: 2,
      stderr:
        'error: no volume default/configmap:settings\n  did you mean shop/configmap:settings?\n',
    })
  })
  t.notMatch(
    said.join('\n') + serving.stderr(),
    /canary|Y2FuYXJ5/,
    'no value of a Secret',
  )
  await end(t, serving)
})
