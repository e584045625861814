import { readFile } from 'node:fs/promises'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import {
  container,
  list,
  object,
  volume,
  writer,
  type Json,
} from '../helpers/conformance-pod.ts'
import { startPodfs } from '../helpers/podfs.ts'

/*
 * Required objects and keys that are missing, at first and later
 * (docs/kubernetes.md#what-a-volume-holds): the Pod waits, says what for, once, and starts when
 * the last of them has come.
 */

const items = [{ key: 'data-4', path: 'path/to/data-4' }]

interface Missing {
  readonly id: string
  readonly what: string
  readonly source: Json
  /** The object that exists without the key. */
  readonly without?: Json
  readonly told: string
  readonly cure: Json
}

function missing(
  [object1, key]: readonly [string, string],
  kind: 'configMap' | 'secret',
  projected: boolean,
): Missing[] {
  const word = kind.toLowerCase()
  const source = (name: string, more: Json): Json => {
    if (projected) return volume.projected([{ [kind]: { name, ...more } }])
    return volume[kind](name, more)
  }
  const way = projected ? `projected ${kind}` : kind
  const name = `${projected ? 'projected-' : ''}${word}`
  return [
    {
      id: object1,
      what: `${way}: the object does not exist`,
      source: source(`${name}-none`, { optional: false }),
      told: `${word} "${name}-none" not found`,
      cure: object[kind](`${name}-none`, { key: 'value' }),
    },
    {
      id: key,
      what: `${way}: the key does not exist`,
      source: source(`${name}-keys`, { items, optional: false }),
      without: object[kind](`${name}-keys`, { 'data-1': 'value-1' }),
      told:
        kind === 'secret'
          ? 'references non-existent secret key: data-4'
          : 'configmap references non-existent config key: data-4',
      cure: object[kind](`${name}-keys`, { 'data-4': 'value-4' }),
    },
  ]
}

const cases: readonly Missing[] = [
  ...missing(['C14', 'C15'], 'configMap', true),
  ...missing(['C24', 'C25'], 'secret', true),
  ...missing(['C53', 'C54'], 'configMap', false),
  ...missing(['C64', 'C65'], 'secret', false),
]

t.test('a Pod waits for what it requires', { skip: cannotStart() }, async t => {
  const dir = t.testdir()
  const write = writer(dir)
  for (const [i, { without }] of cases.entries())
    await write(`${i}.json`, list(without ? [without] : []))
  await write(
    'pod.json',
    object.pod(
      {},
      {
        containers: [
          container('main', 'echo started', {
            volumeMounts: cases.map((_, i) => ({
              name: `v${i}`,
              mountPath: `/v/${i}`,
            })),
          }),
        ],
        volumes: cases.map(({ source }, i) => ({ name: `v${i}`, ...source })),
      },
    ),
  )
  const run = startPodfs(t, ['run', '-f', dir, '--log-level', 'info'])
  for (const [i, { id, what, told, cure }] of cases.entries())
    await t.test(`${id}: ${what}`, async t => {
      await run.saw(
        new RegExp(
          `MountVolume.SetUp failed for volume "v${i}" : ${told}$`,
          'm',
        ),
        'stderr',
      )
      // Each one alone holds the Pod: it has not started with the ones before cured.
      t.equal(run.stdout(), '', 'Pending')
      await write(`${i}.json`, list([cure]))
      await run.saw(new RegExp(` published .*"volume":"v${i}"`), 'stderr')
    })
  const { code, stdout, stderr } = await run.ended
  t.equal(stdout, 'main | started\n')
  t.equal(code, 0)
  t.equal(
    stderr.match(/MountVolume\.SetUp failed/g)?.length,
    cases.length,
    'each reason is told once',
  )
})

t.test(
  'what disappears from a running Pod',
  { skip: cannotStart() },
  async t => {
    const dir = t.testdir()
    const write = writer(dir)
    const config = (name: string, data: Json) => object.configMap(name, data)
    await write('secret.json', object.secret('secret', { password: 'old' }))
    await write(
      'config.json',
      config('config', { colour: 'blue', taste: 'old' }),
    )
    await write('keys.json', config('keys', { a: '1', b: '2' }))
    await write(
      'pod.json',
      object.pod(
        { labels: { step: 'one' } },
        {
          containers: [
            container(
              'main',
              `trap 'exit 0' TERM
show() { echo "$1: $(cat /all/password /all/colour /all/labels) $(cat /keys/a 2>/dev/null || echo none) $(cat /items/b)"; }
show start
until [ "$(cat /watch/step)" = two ]; do sleep 0.05; done; show frozen
until [ "$(cat /all/password)" = new ]; do sleep 0.05; done; show again
until [ ! -e /keys/a ]; do sleep 0.05; done; show gone
sleep 1000 & wait`,
              {
                volumeMounts: ['all', 'keys', 'items', 'watch'].map(name => ({
                  name,
                  mountPath: `/${name}`,
                })),
              },
            ),
          ],
          volumes: [
            {
              name: 'all',
              ...volume.projected([
                { secret: { name: 'secret' } },
                { configMap: { name: 'config' } },
                {
                  downwardAPI: {
                    items: [
                      {
                        path: 'labels',
                        fieldRef: { fieldPath: 'metadata.labels' },
                      },
                    ],
                  },
                },
              ]),
            },
            { name: 'keys', ...volume.configMap('keys') },
            {
              name: 'items',
              ...volume.configMap('keys', { items: [{ key: 'b', path: 'b' }] }),
            },
            {
              name: 'watch',
              ...volume.downwardAPI([
                {
                  path: 'step',
                  fieldRef: { fieldPath: "metadata.labels['step']" },
                },
              ]),
            },
          ],
        },
      ),
    )
    const pod = await readFile(`${dir}/pod.json`, 'utf8')
    const run = startPodfs(t, ['run', '-f', dir])
    await run.saw(/start: oldbluestep="one" 1 2$/m)

    // One failing source freezes all others of its volume, the labels too.
    await write('secret.json', list([]))
    await run.saw(
      /^error: .*spec\.volumes\[0\].* failed for volume "all" : secret "secret" not found$/m,
      'stderr',
    )
    await write('config.json', config('config', { colour: 'red' }))
    await write('pod.json', JSON.parse(pod.replace('one', 'two')) as Json)
    await run.saw(/frozen: oldbluestep="one" 1 2$/m)
    await write('secret.json', object.secret('secret', { password: 'new' }))
    await run.saw(/again: newredstep="two" 1 2$/m)

    // Without items a removed key's file goes; with items the volume stays as it is.
    await write('keys.json', config('keys', { c: '3' }))
    await run.saw(/gone: newredstep="two" none 2$/m)
    run.child.kill('SIGTERM')
    const { stderr } = await run.ended
    t.equal(stderr.match(/secret "secret" not found/g)?.length, 1)
    t.equal(stderr.match(/non-existent config key: b/g)?.length, 1)
  },
)

for (const kind of ['ConfigMap', 'Secret'] as const)
  t.test(
    `${kind === 'ConfigMap' ? 'C52' : 'C63'}: an immutable ${kind}`,
    { skip: cannotStart() },
    async t => {
      const dir = t.testdir()
      const write = writer(dir)
      const make = kind === 'ConfigMap' ? object.configMap : object.secret
      const save = (value: string, more: Json) =>
        write('object.json', make('fixed', { key: value }, more))
      await save('one', {})
      await write(
        'pod.json',
        object.pod(
          {},
          {
            containers: [
              container(
                'main',
                `trap 'exit 0' TERM
last=; while :; do now=$(cat /v/key 2>/dev/null || echo none)
[ "$now" = "$last" ] || { echo "now $now"; last=$now; }; sleep 0.05; done`,
                { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
              ),
            ],
            volumes: [
              {
                name: 'v',
                ...volume.projected([
                  {
                    [kind === 'ConfigMap' ? 'configMap' : 'secret']: {
                      name: 'fixed',
                      optional: true,
                    },
                  },
                ]),
              },
            ],
          },
        ),
      )
      const run = startPodfs(t, ['run', '-f', dir])
      const refused = (field: string) =>
        new RegExp(
          `^error: .*: ${kind} default/fixed: ${field}: Forbidden: field is immutable when \`immutable\` is set$`,
          'm',
        )
      await run.saw(/now one$/m)
      await save('two', {})
      await run.saw(/now two$/m)
      await save('fixed', { immutable: true })
      await run.saw(/now fixed$/m)
      await save('other', { immutable: true })
      await run.saw(refused('data'), 'stderr')
      await save('fixed', { immutable: false })
      await run.saw(refused('immutable'), 'stderr')
      await save('fixed', {
        immutable: true,
        metadata: { name: 'fixed', labels: { may: 'change' } },
      })
      await write('object.json', list([]))
      await run.saw(/now none$/m)
      await save('four', { immutable: true })
      await run.saw(/now four$/m)
      run.child.kill('SIGTERM')
      const { stdout, stderr } = await run.ended
      t.strictSame(
        stdout.match(/(?<=now ).*/g),
        ['one', 'two', 'fixed', 'none', 'four'],
        'what was refused was never seen',
      )
      t.equal(stderr.match(/^error: /gm)?.length, 2)
    },
  )
