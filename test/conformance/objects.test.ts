import { rm } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { items, part, text, type JsonObject } from '../../src/api/json.ts'
import { object, writer, type Json } from '../helpers/conformance-pod.ts'
import { eventually, podfs, startPodfs } from '../helpers/podfs.ts'
import { runPods } from '../helpers/seen-pods.ts'
import { mergePatch, sessionApi } from '../helpers/session-api.ts'

/*
 * ConfigMaps and Secrets as objects of the API. They are what files say: there they are made,
 * changed and deleted, and a client reads and watches what becomes of that.
 */

const kinds = [
  ['ConfigMap', 'configmaps', object.configMap],
  ['Secret', 'secrets', object.secret],
] as const

t.test('objects', { skip: cannotStart() }, async t => {
  const directory = t.testdir()
  const write = writer(directory)
  const { run } = await runPods(t, directory)
  const session = `run-${run.pid}`
  const api = await sessionApi(session)
  const at = (plural: string, name = ''): string =>
    `/api/v1/namespaces/default/${plural}${name === '' ? '' : `/${name}`}`
  const version = (found: JsonObject): number =>
    Number(part(found, 'metadata')['resourceVersion'])
  const get = async (plural: string): Promise<JsonObject> =>
    (await api('GET', at(plural, 'test'))).body
  const until = (plural: string, holds: (found: JsonObject) => boolean) =>
    eventually(async () => {
      const found = await get(plural)
      return holds(found) && found
    })
  const make = (kind: typeof object.configMap, data: Json, labels: Json = {}) =>
    write(
      'test.json',
      kind('test', data, { metadata: { name: 'test', labels } }),
    )

  for (const [kind, plural, manifest] of kinds)
    await t.test(
      kind === 'ConfigMap'
        ? 'C94 C95: the life of a ConfigMap'
        : 'C100: a Secret is changed',
      async t => {
        const watch = startPodfs(t, [
          'get',
          plural,
          '-w',
          '-o',
          'json',
          '--session',
          session,
        ])
        await make(manifest, {})
        const created = await until(plural, ({ kind: is }) => is === kind)
        t.equal(created['data'], undefined)
        await make(manifest, { key: 'value' }, { static: 'true' })
        const changed = await until(plural, found => 'data' in found)
        const value =
          kind === 'Secret' ? Buffer.from('value').toString('base64') : 'value'
        t.strictSame(changed['data'], { key: value })
        t.strictSame(part(changed, 'metadata')['labels'], { static: 'true' })
        t.ok(version(changed) > version(created))
        t.equal(
          part(changed, 'metadata')['uid'],
          part(created, 'metadata')['uid'],
        )
        const list = await api(
          'GET',
          `${at(plural)}?labelSelector=static%3Dtrue`,
        )
        t.equal(items(list.body, 'items').length, 1)
        await watch.saw(/"static": "true"/)

        const patch = { data: { key: 'other' } }
        const refused = await api(
          'PATCH',
          at(plural, 'test'),
          patch,
          mergePatch,
        )
        t.equal(refused.code, 405)
        t.match(
          text(refused.body['message']),
          /^\w+ "test" is what .*test\.json:1:1 says, and is changed there$/,
        )
        t.equal((await api('DELETE', at(plural, 'test'))).code, 405)
        await rm(path.join(directory, 'test.json'))
        await until(plural, ({ code }) => code === 404)
      },
    )
})

for (const [kind, , manifest] of kinds)
  t.test(
    `${kind === 'ConfigMap' ? 'C93' : 'C99'}: a ${kind} with an empty key`,
    async t => {
      const directory = t.testdir()
      const data = kind === 'Secret' ? { stringData: { '': 'value' } } : {}
      await writer(directory)(
        'test.json',
        manifest('test', { '': 'value' }, data),
      )
      const { code, stdout } = await podfs(t, ['validate', '-f', directory])
      t.equal(code, 1)
      t.match(
        stdout,
        new RegExp(
          `^error: .*: ${kind} default/test: data\\[\\]: Invalid value: "": `,
          'm',
        ),
      )
    },
  )
