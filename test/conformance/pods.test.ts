import { isIP } from 'node:net'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { items, part, text, type JsonObject } from '../../src/api/json.ts'
import {
  container,
  object,
  volume,
  writer,
  type Json,
} from '../helpers/conformance-pod.ts'
import { eventually, startPodfs } from '../helpers/podfs.ts'
import { podSaver, runPods } from '../helpers/seen-pods.ts'
import {
  jsonPatch,
  mergePatch,
  sessionApi,
  strategicPatch,
} from '../helpers/session-api.ts'

/*
 * What the API says of Pods, and what may be written of them: real Pods of one podfs, asked
 * through its socket, as a client of Kubernetes asks.
 */

const goesOn = `trap 'exit 0' TERM; sleep 1000 & wait`
const gates = ['k8s.io/test-condition1', 'k8s.io/test-condition2']
const labels = [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }]
const late = (name: string): Json => ({
  containers: [
    container('main', goesOn, {
      volumeMounts: [{ name: 'v', mountPath: '/v' }],
    }),
  ],
  volumes: [{ name: 'v', ...volume.configMap(name) }],
})
const init = { initContainers: [container('init', 'sleep 1.2')] }

const pods: Readonly<Record<string, Json>> = {
  c296: {
    containers: [
      container(
        'main',
        `trap 'exit 0' TERM; until grep -q new /v/labels; do sleep 0.05; done; cat /v/labels; ${goesOn}`,
        { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
      ),
    ],
    volumes: [{ name: 'v', ...volume.downwardAPI(labels) }],
  },
  c297: { containers: [container('main', goesOn)] },
  c298: {
    readinessGates: gates.map(conditionType => ({ conditionType })),
    containers: [container('main', goesOn)],
  },
  c299: { containers: [container('main', goesOn)] },
  c300: { containers: [container('main', goesOn)] },
  c306: { containers: [container('main', goesOn)] },
  c308: { containers: [container('main', goesOn)] },
  c311: { ...init, containers: [container('main', goesOn)] },
  c312: late('c312'),
  c313: { ...init, ...late('c313') },
}

const url = (name = '', subresource = ''): string =>
  ['/api/v1/namespaces/default/pods', name, subresource]
    .filter(word => word !== '')
    .join('/')

const conditionsOf = (pod: JsonObject) =>
  items(part(pod, 'status'), 'conditions')
const conditionOf = (pod: JsonObject, type: string): JsonObject =>
  conditionsOf(pod).find(condition => condition['type'] === type) ?? {}

t.test('Pods through the API', { skip: cannotStart() }, async t => {
  const directory = t.testdir()
  const save = podSaver(directory)
  const write = writer(directory)
  for (const [name, spec] of Object.entries(pods)) await save(name, spec)
  for (const name of ['a', 'b', 'c'])
    await write(
      `${name}.json`,
      object.pod(
        { name: `c301-${name}`, labels: { type: 'Testing' } },
        {
          automountServiceAccountToken: false,
          containers: [container('main', goesOn)],
        },
      ),
    )
  await write(
    'c307.json',
    object.pod(
      { name: 'c307', generation: 100 },
      {
        automountServiceAccountToken: false,
        containers: [container('main', goesOn)],
      },
    ),
  )
  const { run, until, over, history } = await runPods(t, directory)
  const api = await sessionApi(`run-${run.pid}`)
  const get = async (name: string): Promise<JsonObject> =>
    (await api('GET', url(name))).body
  const untilPod = (
    name: string,
    holds: (pod: JsonObject) => boolean,
  ): Promise<JsonObject> =>
    eventually(async () => {
      const pod = await get(name)
      return holds(pod) && pod
    })
  const untilCondition = (name: string, type: string, status: string) =>
    untilPod(name, pod => conditionOf(pod, type)['status'] === status)
  const generations = (pod: JsonObject): readonly number[] => [
    Number(part(pod, 'metadata')['generation']),
    Number(part(pod, 'status')['observedGeneration']),
  ]

  await t.test('C295: a host IP', async t => {
    const { hostIP, hostIPs, podIP, podIPs } = part(await get('c299'), 'status')
    t.ok(isIP(text(hostIP)))
    t.same(hostIPs, [{ ip: hostIP }])
    t.same(podIPs, [{ ip: podIP }])
  })

  await t.test('C296: labels of a live Pod, also in its volume', async t => {
    await untilCondition('c296', 'Ready', 'True')
    const patch = { metadata: { labels: { time: 'new' } } }
    const { code, body } = await api('PATCH', url('c296'), patch, mergePatch)
    t.equal(code, 200)
    t.match(part(body, 'metadata'), { labels: { time: 'new' }, generation: 1 })
    const list = await api('GET', `${url()}?labelSelector=time%3Dnew`)
    t.equal(items(list.body, 'items').length, 1)
    await run.saw(/^c296\/main +\| time="new"$/m)
  })

  await t.test('C297: a deadline that is set while it runs', async t => {
    await untilCondition('c297', 'Ready', 'True')
    const patch = { spec: { activeDeadlineSeconds: 1 } }
    const { code } = await api('PATCH', url('c297'), patch, mergePatch)
    t.equal(code, 200)
    const { phase, status } = await over('c297')
    t.equal(phase, 'Failed')
    t.equal(status.reason, 'DeadlineExceeded')
  })

  await t.test('C298: readiness gates', async t => {
    const set = async (gate: string, status: string): Promise<void> => {
      const condition = { type: gate, status }
      const patch = { status: { conditions: [condition] } }
      const at = url('c298', 'status')
      const { code } = await api('PATCH', at, patch, strategicPatch)
      t.equal(code, 200)
    }
    const [one = '', two = ''] = gates
    await untilCondition('c298', 'ContainersReady', 'True')
    t.match(conditionOf(await get('c298'), 'Ready'), {
      status: 'False',
      reason: 'ReadinessGatesNotReady',
      message: `corresponding condition of pod readiness gate "${one}" does not exist., corresponding condition of pod readiness gate "${two}" does not exist.`,
    })
    await set(one, 'True')
    t.match(conditionOf(await get('c298'), 'Ready'), {
      status: 'False',
      message: `corresponding condition of pod readiness gate "${two}" does not exist.`,
    })
    await set(two, 'True')
    const ready = await get('c298')
    t.equal(conditionOf(ready, 'Ready')['status'], 'True')
    t.strictSame(
      conditionsOf(ready).map(({ type }) => type),
      [
        ...gates,
        'PodReadyToStartContainers',
        'Initialized',
        'Ready',
        'ContainersReady',
        'PodScheduled',
      ],
      'those of others come first',
    )
    await set(one, 'False')
    t.match(conditionOf(await get('c298'), 'Ready'), {
      status: 'False',
      message: `the status of pod readiness gate "${one}" is not "True", but False`,
    })
  })

  await t.test('C299: the lifecycle of a Pod and its status', async t => {
    await untilCondition('c299', 'Ready', 'True')
    const patch = { metadata: { labels: { 'test-pod': 'patched' } } }
    const patched = await api('PATCH', url('c299'), patch, strategicPatch)
    t.match(patched.body, {
      metadata: { labels: { 'test-pod': 'patched' } },
    })
    const { body: before } = await api('GET', url('c299', 'status'))
    const replaced = await api('PUT', url('c299', 'status'), {
      ...before,
      status: {
        ...part(before, 'status'),
        conditions: conditionsOf(before).map(condition =>
          text(condition['type']).endsWith('Ready')
            ? { ...condition, status: 'False' }
            : condition,
        ),
      },
    })
    t.equal(replaced.code, 200)
    t.match(conditionOf(replaced.body, 'Ready'), { status: 'False' })
    const { code, body } = await api(
      'DELETE',
      `${url('c299')}?gracePeriodSeconds=1`,
    )
    t.equal(code, 200)
    t.match(body, {
      metadata: {
        deletionTimestamp: /^\d{4}-/,
        deletionGracePeriodSeconds: 1,
      },
    })
    await eventually(async () => (await api('GET', url('c299'))).code === 404)
    t.equal((await over('c299')).phase, 'Succeeded')
    t.ok(
      history('c299').some(({ isTerminating }) => isTerminating),
      'it was seen on its way out',
    )
  })

  await t.test('C300: a patched status', async t => {
    await untilCondition('c300', 'Ready', 'True')
    const status = { message: 'Patched by e2e test', reason: 'E2E' }
    const at = url('c300', 'status')
    t.match((await api('PATCH', at, { status }, strategicPatch)).body, {
      status,
    })
    await untilPod('c300', pod => part(pod, 'status')['reason'] === 'E2E')
    t.match(await get('c300'), { status: { ...status, phase: 'Running' } })
  })

  await t.test('C301: a collection of Pods is deleted', async t => {
    const at = `${url()}?labelSelector=type%3DTesting`
    for (const name of ['a', 'b', 'c'])
      await untilCondition(`c301-${name}`, 'Ready', 'True')
    const { code, body } = await api('DELETE', at)
    t.equal(code, 200)
    t.equal(items(body, 'items').length, 3)
    await eventually(
      async () => items((await api('GET', at)).body, 'items').length === 0,
    )
    t.equal((await api('GET', url('stays'))).code, 200)
  })

  await t.test('C306: the generation is 1, and counts updates', async t => {
    const toleration = { key: 'foo', operator: 'Exists', effect: 'NoExecute' }
    await untilCondition('c306', 'Ready', 'True')
    t.same(generations(await get('c306')), [1, 1])
    const patch = async (body: Json, generation: number): Promise<void> => {
      const { code } = await api('PATCH', url('c306'), body, mergePatch)
      t.equal(code, 200)
      await untilPod(
        'c306',
        pod => generations(pod).join() === `${generation},${generation}`,
      )
    }
    await patch({}, 1)
    await patch({ metadata: { annotations: { a: 'b' } } }, 1)
    await patch({ spec: { tolerations: [toleration] } }, 2)
    await patch({ spec: { activeDeadlineSeconds: 5000 } }, 3)
    const refused = await api(
      'PATCH',
      url('c306'),
      [{ op: 'add', path: '/spec/hostname', value: 'x' }],
      jsonPatch,
    )
    t.match(refused, { code: 422, body: { reason: 'Invalid' } })
    t.same(generations(await get('c306')), [3, 3])
  })

  await t.test('C307: whose generation, and that of a deletion', async t => {
    await untilCondition('c307', 'Ready', 'True')
    t.same(generations(await get('c307')), [1, 1])
    const { body } = await api('DELETE', url('c307'))
    t.equal(part(body, 'metadata')['generation'], 2)
    await until('c307', ({ status }) => status.observedGeneration === 2)
    const { status } = await over('c307')
    t.equal(status.observedGeneration, 2)
  })

  await t.test('C308: 500 updates', async t => {
    await untilCondition('c308', 'Ready', 'True')
    for (let i = 0; i < 499; i++) {
      const patch = { spec: { activeDeadlineSeconds: 5000 - i } }
      const { code } = await api('PATCH', url('c308'), patch, mergePatch)
      if (code !== 200) t.fail(`update ${i}: ${code}`)
    }
    const pod = await untilPod(
      'c308',
      pod => part(pod, 'status')['observedGeneration'] === 500,
    )
    t.same(generations(pod), [500, 500])
    t.ok(
      conditionsOf(pod).every(
        ({ observedGeneration }) => observedGeneration === 500,
      ),
      'C309: in each condition, too',
    )
  })

  const times = (pod: JsonObject, ...types: readonly string[]): string[] =>
    types.map(type => text(conditionOf(pod, type)['lastTransitionTime']))
  await t.test(
    'C311: with init containers all conditions in their order',
    async t => {
      const pod = await untilCondition('c311', 'Ready', 'True')
      const seen = times(
        pod,
        'PodScheduled',
        'PodReadyToStartContainers',
        'Initialized',
        'ContainersReady',
        'Ready',
      )
      t.same(seen, seen.toSorted())
      t.not(seen[1], seen[2], 'an init container is between')
    },
  )

  for (const [id, name, initialized] of [
    ['C312', 'c312', 'True'],
    ['C313', 'c313', 'False'],
  ] as const)
    await t.test(`${id}: a volume that waits for its ConfigMap`, async t => {
      const events = async () =>
        items((await api('GET', '/api/v1/events')).body, 'items').filter(
          ({ involvedObject, reason }) =>
            (involvedObject as JsonObject)['name'] === name &&
            reason === 'FailedMount',
        )
      await eventually(async () => (await events()).length > 0)
      const waits = await get(name)
      for (const [type, status] of [
        ['PodScheduled', 'True'],
        ['PodReadyToStartContainers', 'False'],
        ['Initialized', initialized],
        ['ContainersReady', 'False'],
        ['Ready', 'False'],
      ] as const)
        t.equal(conditionOf(waits, type)['status'], status, type)
      await write(`${name}-map.json`, object.configMap(name, { key: 'value' }))
      await untilCondition(name, 'Ready', 'True')
    })

  await t.test('C314: a volume that waits for its Secret', async t => {
    await save('c314', {
      containers: [
        container('main', goesOn, {
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        }),
      ],
      volumes: [{ name: 'v', ...volume.secret('c314') }],
    })
    await untilCondition('c314', 'PodReadyToStartContainers', 'False')
    const waits = await get('c314')
    for (const type of ['PodScheduled', 'Initialized'])
      t.equal(conditionOf(waits, type)['status'], 'True', type)
    for (const type of ['ContainersReady', 'Ready'])
      t.equal(conditionOf(waits, type)['status'], 'False', type)
    await write('c314-secret.json', object.secret('c314', { key: 'value' }))
    await untilCondition('c314', 'Ready', 'True')
  })

  await t.test(
    'C303: no success of what never ran, at whatever moment it is deleted',
    async t => {
      const names = Array.from({ length: 8 }, (_, i) => `c303-${i}`)
      const watch = startPodfs(t, [
        'get',
        'pods',
        '-w',
        '-n',
        'default',
        '--session',
        `run-${run.pid}`,
      ])
      await watch.saw(/stays/)
      for (const name of names)
        await save(name, { containers: [container('fail', 'exit 1')] })
      await Promise.all(
        names.map(async (name, i) => {
          await watch.saw(new RegExp(`^${name} `, 'm'))
          // From before it has begun to when it is over.
          await new Promise(resolve => setTimeout(resolve, i * 15))
          await eventually(
            async () => (await api('DELETE', url(name))).code === 200,
          )
          await eventually(
            async () => (await api('GET', url(name))).code === 404,
          )
          await over(name)
          const seen = history(name)
          const ends = seen.map(pod => pod.of('fail').state.terminated)
          const first = ends.findIndex(end => end !== undefined)
          t.ok(
            ends.every(
              (end, at) =>
                at < first || end?.exitCode === ends[first]?.exitCode,
            ),
            `${name}: an end stays`,
          )
          for (const end of ends) {
            if (end === undefined) continue
            const { exitCode, reason, startedAt, finishedAt } = end
            t.ok(
              [
                '1 Error',
                '137 Error',
                '137 ContainerStatusUnknown',
                '143 Error',
              ].includes(`${exitCode} ${reason}`),
              `${name}: ${exitCode} ${reason}`,
            )
            t.ok(finishedAt === null || startedAt !== null)
          }
          const last = seen.at(-1)
          t.equal(last?.of('fail').state.running, undefined)
          t.notOk(seen.some(({ phase }) => phase === 'Succeeded'))
          t.equal(last?.phase, 'Failed')
        }),
      )
    },
  )
})
