import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'

import t, { type Test } from 'tap'

import type { Container, Pod, PodSpec } from '../../src/api/types.ts'
import { createImageMap } from '../../src/runner/launch/images.ts'
import {
  makeConfigMap,
  makeContainer,
  makePod,
  makeSecret,
} from '../helpers/make-objects.ts'
import { endlessHook, settle } from '../helpers/fake-runtime.ts'
import {
  PodRunnerHarness,
  type HarnessOptions,
} from '../helpers/pod-runner-harness.ts'

function pod(
  containers: readonly (Partial<Container> & { name: string })[],
  spec: Partial<PodSpec> = {},
) {
  return makePod({
    name: 'p',
    spec: { containers: containers.map(makeContainer), ...spec },
  })
}

const command = ['program']
const a = { name: 'a', command }
const b = { name: 'b', command }
const sidecar = (name: string, rest: Partial<Container> = {}) =>
  makeContainer({ name, command, restartPolicy: 'Always', ...rest })
const init = (name: string) => makeContainer({ name, command })
const exec = { exec: { command: ['hook'] } }

type Harness = InstanceType<typeof PodRunnerHarness>

function test(
  title: string,
  options: HarnessOptions,
  body: (h: Harness, t: Test) => Promise<void>,
): void {
  t.test(title, async t => body(new PodRunnerHarness(t, options), t))
}

for (const [title, entry, env, isImagePath] of [
  ['path', { path: '/own' }, [], true],
  ['env', { env: new Map([['PATH', '/own']]) }, [], true],
  ['the Pod', { path: '/own' }, [{ name: 'PATH', value: '/pod' }], false],
  ['nobody', {}, [], false],
] as const)
  test(
    `PATH is the image's, by ${title}`,
    {
      pod: pod([{ ...a, env }]),
      options: { images: createImageMap([{ pattern: 'busybox', ...entry }]) },
    },
    async (h, t) => {
      await h.start()
      t.equal(h.runtime.launches[0]?.isImagePath, isImagePath)
    },
  )

test(
  'builds the worlds of containers that start one after the other all at once',
  { pod: pod([a, b]) },
  async (h, t) => {
    await h.start()
    t.same(h.runtime.prepared, ['a', 'b'])
    t.same(h.journal(), ['start a', 'start b'])
  },
)

test(
  'builds no world before the hook of a container that starts earlier',
  { pod: pod([{ ...a, lifecycle: { postStart: exec } }, b]) },
  async (h, t) => {
    await h.start()
    t.same(h.runtime.prepared, ['a'])
    t.same(h.journal(), ['start a', 'exec a hook', 'start b'])
  },
)

test(
  'starts the containers in order and tells it as a kubelet does',
  { pod: pod([b, a]) },
  async (h, t) => {
    await h.start()
    t.same(h.journal(), ['start b', 'start a'])
    t.same(h.told('Pulled', 'Created', 'Started').slice(0, 3), [
      'Pulled Container image "busybox" already present on machine',
      'Created Created container: b',
      'Started Started container b',
    ])
    t.match(h.events[0], {
      reason: 'Scheduled',
      message: 'Successfully assigned default/p to node',
      fieldPath: undefined,
    })
    t.equal(h.events[1]?.fieldPath, 'spec.containers{b}')
    t.equal(h.statuses[0]?.phase, 'Pending')
    t.equal(h.status.phase, 'Running')
    t.same(
      h.status.containerStatuses.map(({ name }) => name),
      ['a', 'b'],
    )
    t.same(
      h.status.conditions.map(({ type, status }) => `${type} ${status}`),
      [
        'PodReadyToStartContainers True',
        'Initialized True',
        'Ready True',
        'ContainersReady True',
        'PodScheduled True',
      ],
    )
    const launch = h.runtime.launches[0]
    t.same(
      h.runtime.sandboxes.map(({ config }) => config),
      [{ hostname: 'p', ipc: 'pod', pid: 'container' }],
    )
    t.equal(launch?.env.get('HOSTNAME'), 'p')
    t.match(readFileSync(h.hostsFile, 'utf8'), /127\.1\.2\.3\tp\n$/)
  },
)

test(
  'C270: OnFailure, first exit 1, then 0',
  { pod: pod([a], { restartPolicy: 'OnFailure' }) },
  async (h, t) => {
    await h.start()
    await h.exit('a', 1)
    t.equal(h.container('a').restartCount, 1, 'the first restart is immediate')
    t.equal(h.container('a').lastState.terminated?.exitCode, 1)
    await h.exit('a', 0)
    const status = await h.runner.finished
    t.equal(status.phase, 'Succeeded')
    t.equal(status.containerStatuses[0]?.state.terminated?.reason, 'Completed')
    t.equal(h.container('a').ready, false)
    t.equal(h.journal().at(-1), 'close')
  },
)

test(
  'C271 6.1: Never, and the terminal phase comes last',
  { pod: pod([a], { restartPolicy: 'Never' }) },
  async (h, t) => {
    await h.start()
    await h.exit('a', 7)
    const status = await h.runner.finished
    t.equal(status.phase, 'Failed')
    t.equal(status.containerStatuses[0]?.state.terminated?.reason, 'Error')
    const before = h.statuses.at(-2)
    t.equal(before?.phase, 'Running')
    t.equal(before?.conditions[2]?.reason, 'PodFailed')
    t.equal(h.condition('PodReadyToStartContainers')?.status, 'False')
  },
)

for (const [title, scale, units] of [
  [
    'C274 C275: crash loop with its delays',
    1,
    ['10s', '20s', '40s', '1m20s', '2m40s', '5m0s'],
  ],
  [
    'C276 C277: a tenth of them, and of the longest',
    0.1,
    ['1s', '2s', '4s', '8s', '16s', '30s'],
  ],
] as const)
  test(
    title,
    { pod: pod([a]), options: { backoffScale: scale } },
    async (h, t) => {
      await h.start()
      await h.exit('a', 1)
      const delays = [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]
      for (const [i, delay] of delays.entries()) {
        await h.exit('a', 1)
        t.same(h.container('a').state.waiting, {
          reason: 'CrashLoopBackOff',
          message: `back-off ${units[i] ?? units[5]} restarting failed container=a pod=p_default(p-uid)`,
        })
        t.equal(h.status.phase, 'Running')
        await h.advance(delay * scale - 1)
        t.ok(h.container('a').state.waiting, 'not a moment earlier')
        await h.advance(1)
        t.ok(h.container('a').state.running)
        t.equal(h.container('a').restartCount, i + 2)
      }
      t.equal(h.told('BackOff').length, 7, 'told once for each wait')
      await h.advance(600_000 * scale + 1)
      await h.exit('a', 1)
      t.ok(
        h.container('a').state.running,
        'ten good minutes and it begins anew',
      )
    },
  )

test(
  'C217 C221: init containers one after the other',
  {
    pod: pod([a], {
      initContainers: [init('i1'), init('i2')],
      restartPolicy: 'Never',
    }),
  },
  async (h, t) => {
    await h.start()
    t.same(h.journal(), ['start i1'])
    t.equal(h.container('a').state.waiting?.reason, 'PodInitializing')
    t.equal(
      h.condition('Initialized')?.message,
      'containers with incomplete status: [i1 i2]',
    )
    await h.exit('i1', 0)
    await h.exit('i2', 0)
    t.same(h.journal(), ['exit i1 0', 'start i2', 'exit i2 0', 'start a'])
    t.equal(h.container('i1').ready, true)
    await h.exit('a', 0)
    t.equal((await h.runner.finished).phase, 'Succeeded')
  },
)

test(
  'C220: a failed init container of a Never Pod ends it',
  {
    pod: pod([a], {
      initContainers: [init('i1'), init('i2')],
      restartPolicy: 'Never',
    }),
  },
  async (h, t) => {
    await h.start()
    await h.exit('i1', 1)
    t.equal((await h.runner.finished).phase, 'Failed')
    t.equal(h.container('a').state.waiting?.reason, 'PodInitializing')
    t.equal(h.container('i2').state.waiting?.reason, 'PodInitializing')
    t.same(h.journal(), ['start i1', 'exit i1 1', 'close'])
  },
)

test(
  'C228 C231 C232 C230: sidecars',
  {
    pod: pod([a], { initContainers: [sidecar('s')], restartPolicy: 'Never' }),
  },
  async (h, t) => {
    await h.start()
    t.same(h.journal(), ['start s', 'start a'])
    await h.exit('s', 0)
    t.same(h.journal(), ['exit s 0', 'start s'], 'whatever the policy is')
    await h.exit('a', 0)
    t.same(h.journal(), ['exit a 0', 'SIGTERM s', 'exit s 143', 'close'])
    t.equal((await h.runner.finished).phase, 'Succeeded')
  },
)

test(
  'C236 C238: preStop at once, SIGTERM in reverse order',
  {
    pod: pod([{ ...a, lifecycle: { preStop: exec } }], {
      initContainers: [
        sidecar('s1', { lifecycle: { preStop: exec } }),
        sidecar('s2'),
      ],
    }),
    behaviours: { a: { onTerm: 'ignore' } },
  },
  async (h, t) => {
    await h.start()
    h.journal()
    const finished = h.runner.terminate()
    await settle()
    t.same(h.journal(), ['exec s1 hook', 'exec a hook', 'SIGTERM a'])
    await h.exit('a', 0)
    await finished
    t.same(h.journal(), [
      'exit a 0',
      'SIGTERM s2',
      'exit s2 143',
      'SIGTERM s1',
      'exit s1 143',
      'close',
    ])
    t.same(h.told('Killing').length, 3)
    t.equal(h.status.phase, 'Succeeded')
  },
)

test(
  'C288 C290: SIGKILL after the grace period',
  { pod: pod([a]), behaviours: { a: { onTerm: 'ignore' } } },
  async (h, t) => {
    await h.start()
    void h.runner.terminate(5)
    await h.advance(4999)
    t.equal(h.status.phase, 'Running')
    await h.advance(1)
    const { phase } = await h.runner.finished
    t.equal(phase, 'Failed')
    t.equal(h.container('a').state.terminated?.exitCode, 137)
    t.equal(h.container('a').state.terminated?.reason, 'Error')
  },
)

test(
  'a second terminate with 0 kills at once',
  {
    pod: pod([{ ...a, lifecycle: { preStop: exec } }, b]),
    behaviours: { a: { exec: endlessHook }, b: { onTerm: 'ignore' } },
  },
  async (h, t) => {
    await h.start()
    h.journal()
    void h.runner.terminate()
    await h.advance(1000)
    t.same(h.journal(), ['exec a hook', 'SIGTERM b'])
    void h.runner.terminate(0)
    await h.runner.finished
    t.same(h.journal().slice(0, 4).toSorted(), [
      'SIGKILL a',
      'SIGKILL b',
      'exit a 137',
      'exit b 137',
    ])
  },
)

test(
  'C206 C289: grace cuts the preStop hook, 2 s stay for SIGTERM',
  {
    pod: pod([{ ...a, lifecycle: { preStop: { sleep: { seconds: 50 } } } }]),
    behaviours: { a: { onTerm: 'ignore' } },
  },
  async (h, t) => {
    await h.start()
    h.journal()
    void h.runner.terminate(30)
    await h.advance(29_999)
    t.same(h.journal(), [])
    await h.advance(1)
    t.same(h.journal(), ['SIGTERM a'])
    await h.advance(1999)
    t.same(h.journal(), [])
    await h.advance(1)
    t.match(h.journal(), ['SIGKILL a'])
    t.same(h.told('FailedPreStopHook'), [])
  },
)

test(
  'C237: sidecars whose preStop does not end all go 2 s after the grace period',
  {
    pod: pod([a], {
      restartPolicy: 'Never',
      initContainers: ['s1', 's2'].map(name =>
        sidecar(name, { lifecycle: { preStop: exec } }),
      ),
    }),
    behaviours: {
      s1: { onTerm: 'ignore', exec: endlessHook },
      s2: { onTerm: 'ignore', exec: endlessHook },
    },
  },
  async (h, t) => {
    await h.start()
    await h.exit('a', 0)
    h.journal()
    await h.advance(29_999)
    t.same(h.journal(), [])
    await h.advance(1)
    t.same(h.journal(), ['SIGTERM s1', 'SIGTERM s2'])
    await h.advance(1999)
    t.same(h.journal(), [])
    await h.advance(1)
    t.same(h.journal(), [
      'SIGKILL s1',
      'exit s1 137',
      'SIGKILL s2',
      'exit s2 137',
      'close',
    ])
    t.equal(h.status.phase, 'Succeeded')
  },
)

test(
  'C282: the end of one restarts all, with a back-off',
  {
    pod: pod(
      [
        a,
        {
          ...b,
          restartPolicy: 'Never',
          restartPolicyRules: [
            {
              action: 'RestartAllContainers',
              exitCodes: { operator: 'In', values: [42] },
            },
          ],
        },
      ],
      {
        restartPolicy: 'Never',
        initContainers: [
          init('i'),
          sidecar('s', { lifecycle: { preStop: exec } }),
        ],
      },
    ),
    behaviours: { a: { onTerm: 'ignore' } },
    options: { backoffScale: 0.5 },
  },
  async (h, t) => {
    await h.start()
    await h.exit('i', 0)
    const condition = () => h.condition('AllContainersRestarting')
    t.match(condition(), { status: 'False', reason: undefined })
    h.journal()
    h.statuses.splice(0)
    await h.exit('b', 42)
    t.same(
      h.journal(),
      ['exit b 42', 'SIGTERM s', 'exit s 143', 'SIGTERM a'],
      'in no order, without preStop',
    )
    t.match(condition(), {
      status: 'True',
      reason: 'RestartAllContainersStarted',
      message: 'container exited with restart policy rule',
    })
    await h.advance(1999)
    t.same(h.journal(), [])
    await h.advance(1)
    t.same(h.journal(), ['SIGKILL a', 'exit a 137', 'start i'])
    const removed = {
      reason: 'RestartingAllContainers',
      message: 'The container is removed because RestartAllContainers in place',
    }
    t.match(condition(), { status: 'False', reason: undefined })
    t.equal(h.status.phase, 'Pending')
    t.equal(h.condition('Initialized')?.status, 'True', 'it stays so')
    for (const name of ['s', 'a', 'b'])
      t.match(h.container(name), {
        restartCount: 1,
        ready: false,
        state: { waiting: removed },
        lastState: {
          terminated: { ...removed, exitCode: 137, startedAt: null },
        },
      })
    await h.exit('i', 0)
    t.same(h.journal(), ['exit i 0', 'start s', 'start a', 'start b'])
    t.equal(h.status.phase, 'Running')
    t.match(h.container('b'), {
      restartCount: 1,
      state: { running: {} },
      lastState: { terminated: removed },
    })
    await h.exit('b', 42)
    t.same(h.journal(), ['exit b 42'])
    t.match(h.container('b').state.waiting, {
      reason: 'CrashLoopBackOff',
      message: /^back-off 5s restarting failed container=b /,
    })
    await h.advance(4999)
    t.same(h.journal(), [])
    await h.advance(1)
    t.match(h.journal(), ['SIGTERM s', 'exit s 143', 'SIGTERM a'])
    void h.runner.terminate(0)
    await settle()
    t.same(h.journal(), ['SIGKILL a', 'exit a 137', 'close'])
    t.equal(h.status.phase, 'Failed')
    t.match(condition(), { status: 'False', reason: 'PodFailed' })
    t.match(h.container('b').lastState, {}, 'and no longer')
  },
)

for (const policy of ['File', 'FallbackToLogsOnError'] as const)
  test(
    `4.10: the termination message, ${policy}`,
    {
      pod: pod(
        [
          { ...a, terminationMessagePolicy: policy },
          { ...b, terminationMessagePolicy: policy },
        ],
        { restartPolicy: 'OnFailure' },
      ),
    },
    async (h, t) => {
      await h.start()
      const fileOf = (start: number): string => {
        const mount = h.runtime.launches[start]?.mounts.find(
          ({ mountPath }) => mountPath === '/dev/termination-log',
        )
        return mount?.source ?? ''
      }
      t.equal(statSync(fileOf(0)).mode & 0o777, 0o666)
      writeFileSync(fileOf(0), 'DONE')
      h.runtime.running.get('a')?.stdout.write('log of a\n')
      h.runtime.running.get('b')?.stdout.write('log of b\n')
      await settle()
      await h.exit('a', 1)
      await h.exit('b', 1)
      t.equal(h.container('a').lastState.terminated?.message, 'DONE')
      t.equal(
        h.container('b').lastState.terminated?.message,
        policy === 'File' ? undefined : 'log of b\n',
      )
      t.notOk(existsSync(fileOf(0)), 'it is gone')
      t.not(fileOf(2), fileOf(0), 'the next instance has a file of its own')
      t.equal(readFileSync(fileOf(2), 'utf8'), '')
      await h.exit('a', 0)
      t.equal(h.container('a').state.terminated?.message, undefined)
    },
  )

for (const [what, onTerm] of [
  ['outlasts the grace period', 'ignore'],
  ['outlasts its container', 0],
] as const) {
  let abandoned = 0
  test(
    `C206: a preStop exec that ${what} is abandoned`,
    {
      pod: pod([{ ...a, lifecycle: { preStop: exec } }]),
      behaviours: {
        a: {
          onTerm,
          exec: (argv, abort) => {
            abort.addEventListener('abort', () => (abandoned += 1))
            return endlessHook(argv, abort)
          },
        },
      },
    },
    async (h, t) => {
      await h.start()
      h.journal()
      void h.runner.terminate(30)
      await h.advance(29_999)
      t.same(h.journal(), ['exec a hook'])
      t.equal(abandoned, 0)
      if (onTerm === 0) await h.exit('a', 0)
      else await h.advance(1)
      t.equal(abandoned, 1)
      await h.advance(2000)
      await h.runner.finished
      t.same(h.told('FailedPreStopHook'), [])
    },
  )
}

test(
  '4.9: a Pod of 0 s that is deleted has 1 s for its preStop hook, and 2 s after SIGTERM',
  {
    pod: pod([{ ...a, lifecycle: { preStop: exec } }], {
      terminationGracePeriodSeconds: 0,
    }),
    behaviours: { a: { exec: endlessHook, onTerm: 'ignore' } },
  },
  async (h, t) => {
    await h.start()
    h.journal()
    void h.runner.terminate()
    await h.advance(999)
    t.same(h.journal(), ['exec a hook'])
    await h.advance(1)
    t.same(h.journal(), ['SIGTERM a'])
    await h.advance(1999)
    t.same(h.journal(), [])
    await h.advance(1)
    t.match(h.journal(), ['SIGKILL a'])
  },
)

test(
  '4.3: a container of a Pod of 0 s that ends for another reason has no preStop hook',
  {
    pod: pod([{ ...a, lifecycle: { postStart: exec, preStop: exec } }], {
      terminationGracePeriodSeconds: 0,
    }),
    behaviours: { a: { exec: async () => ({ exitCode: 1, output: '' }) } },
  },
  async (h, t) => {
    await h.start()
    t.same(h.journal().slice(0, 4), [
      'start a',
      'exec a hook',
      'SIGTERM a',
      'exit a 143',
    ])
  },
)

test(
  'C196: a failing preStop hook is told and changes nothing',
  {
    pod: pod([{ ...a, lifecycle: { preStop: exec } }]),
    behaviours: { a: { exec: async () => ({ exitCode: 1, output: 'x' }) } },
  },
  async (h, t) => {
    await h.start()
    await h.runner.terminate()
    t.same(h.told('FailedPreStopHook'), [
      'FailedPreStopHook PreStopHook failed',
    ])
    t.same(h.journal().slice(1), [
      'exec a hook',
      'SIGTERM a',
      'exit a 143',
      'close',
    ])
  },
)

test(
  'C213: the next container waits for postStart',
  {
    pod: pod([
      { ...a, lifecycle: { postStart: { sleep: { seconds: 3 } } } },
      b,
    ]),
  },
  async (h, t) => {
    await h.start()
    t.same(h.journal(), ['start a'])
    await h.advance(2999)
    t.same(h.journal(), [])
    await h.advance(1)
    t.same(h.journal(), ['start b'])
  },
)

test(
  '4.3: a failing postStart hook ends the container',
  {
    pod: pod([{ ...a, lifecycle: { postStart: exec, preStop: exec } }], {
      restartPolicy: 'OnFailure',
    }),
    behaviours: { a: { exec: async () => ({ exitCode: 1, output: 'x' }) } },
  },
  async (h, t) => {
    await h.start()
    t.same(h.journal().slice(0, 5), [
      'start a',
      'exec a hook',
      'exec a hook',
      'SIGTERM a',
      'exit a 143',
    ])
    t.equal(
      h.told('FailedPostStartHook')[0],
      'FailedPostStartHook PostStartHook failed',
    )
    t.equal(h.told('Killing')[0], 'Killing FailedPostStartHook')
    t.equal(h.container('a').state.waiting?.reason, 'CrashLoopBackOff')
    t.ok(
      h.statuses.some(
        ({ containerStatuses: [status] }) =>
          status?.state.waiting?.reason === 'PostStartHookError',
      ),
    )
  },
)

test(
  'terminate abandons an endless postStart hook',
  {
    pod: pod([{ ...a, lifecycle: { postStart: exec } }, b]),
    behaviours: { a: { exec: endlessHook } },
  },
  async (h, t) => {
    await h.start()
    await h.runner.terminate()
    t.same(h.journal(), [
      'start a',
      'exec a hook',
      'SIGTERM a',
      'exit a 143',
      'close',
    ])
    t.same(h.told('FailedPostStartHook'), [])
    t.equal(h.container('b').state.terminated?.reason, 'ContainerStatusUnknown')
  },
)

const needsConfigMap = {
  ...a,
  env: [
    {
      name: 'X',
      valueFrom: {
        configMapKeyRef: { name: 'nope', key: 'k', optional: false },
      },
    },
  ],
}

test(
  '6.10: a missing ConfigMap is waited for, and told once',
  { pod: pod([needsConfigMap, b]) },
  async (h, t) => {
    await h.start()
    t.same(h.container('a').state.waiting, {
      reason: 'CreateContainerConfigError',
      message: 'configmap "nope" not found',
    })
    t.ok(h.container('b').state.running, 'does not hold up the next one')
    t.equal(h.status.phase, 'Pending')
    t.equal(h.status.podIP, '127.1.2.3')
    await h.advance(60_000)
    h.runner.wake()
    await settle()
    t.same(h.told('Failed'), ['Failed Error: configmap "nope" not found'])
    h.configMaps.set('nope', makeConfigMap({ name: 'nope' }))
    h.runner.wake()
    await settle()
    t.equal(
      h.told('Failed')[1],
      "Failed Error: couldn't find key k in ConfigMap default/nope",
    )
    h.configMaps.set('nope', makeConfigMap({ name: 'nope', data: { k: 'v' } }))
    h.runner.wake()
    await settle()
    t.equal(h.runtime.launches.at(-1)?.env.get('X'), 'v')
    t.equal(h.status.phase, 'Running')
    t.equal(h.container('a').restartCount, 0)
  },
)

let volumeError: string | undefined
test(
  'C312: a volume that fails is told once and waited for',
  {
    pod: pod([
      {
        ...a,
        volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: false }],
      },
    ]),
    options: {
      volume: async () => {
        if (volumeError !== undefined) throw new Error(volumeError)
        return { path: '/volumes/v', readOnly: true, recursive: false }
      },
    },
  },
  async (h, t) => {
    volumeError = 'hostPath type check failed: /v is not a directory'
    await h.start()
    await h.advance(10_000)
    t.same(h.told('FailedMount'), [
      `FailedMount MountVolume.SetUp failed for volume "v" : ${volumeError}`,
    ])
    t.equal(h.condition('PodReadyToStartContainers')?.status, 'False')
    t.equal(h.condition('Initialized')?.status, 'True')
    t.equal(h.container('a').state.waiting?.reason, 'ContainerCreating')
    t.equal(h.status.podIP, undefined)
    volumeError = undefined
    h.runner.wake()
    await settle()
    t.same(h.runtime.launches[0]?.mounts[0], {
      source: '/volumes/v',
      mountPath: '/v',
      readOnly: true,
      recursive: false,
    })
    t.equal(h.condition('Ready')?.status, 'True')
  },
)

test(
  'C294 6.6: a Pod whose volume never comes can be deleted',
  {
    pod: pod([
      { ...a, volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: false }] },
    ]),
    options: { volume: () => new Promise(() => undefined) },
  },
  async (h, t) => {
    await h.start()
    const status = await h.runner.terminate()
    t.equal(status.phase, 'Failed')
    t.same(status.containerStatuses[0]?.state.terminated, {
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
      message: 'The container could not be located when the pod was terminated',
      startedAt: null,
      finishedAt: null,
    })
    t.equal(h.condition('Ready')?.reason, 'ContainersNotReady')
    t.same(h.journal(), ['close'])
  },
)

test('terminate before start', { pod: pod([a]) }, async (h, t) => {
  t.equal((await h.runner.terminate()).phase, 'Failed')
  h.runner.start()
  await settle()
  t.same(h.journal(), ['close'])
})

test(
  'C239: deleted while an init container runs',
  { pod: pod([a], { initContainers: [init('i')] }) },
  async (h, t) => {
    await h.start()
    const { phase } = await h.runner.terminate()
    t.equal(phase, 'Failed')
    t.equal(h.container('i').state.terminated?.exitCode, 143)
    t.equal(h.container('a').state.waiting?.reason, 'PodInitializing')
  },
)

test(
  '6.4: what the run-time cannot start',
  { pod: pod([a]), behaviours: { a: { startError: 'no such program' } } },
  async (h, t) => {
    await h.start()
    t.equal(h.container('a').lastState.terminated?.exitCode, 128)
    t.equal(
      h.container('a').lastState.terminated?.startedAt,
      '1970-01-01T00:00:00Z',
    )
    t.equal(h.container('a').state.waiting?.reason, 'CrashLoopBackOff')
    t.equal(h.status.phase, 'Running')
    t.equal(h.told('Failed')[0], 'Failed Error: no such program')
    await h.runner.terminate()
    t.equal(h.container('a').state.terminated?.reason, 'StartError')
  },
)

test(
  'C297: activeDeadlineSeconds, set while it runs',
  { pod: pod([a]) },
  async (h, t) => {
    await h.start()
    h.runner.updatePod(pod([a, b], { activeDeadlineSeconds: 5 }))
    await h.advance(4999)
    t.equal(h.status.phase, 'Running')
    await h.advance(1)
    const status = await h.runner.finished
    t.equal(status.phase, 'Failed')
    t.equal(status.reason, 'DeadlineExceeded')
    t.equal(status.containerStatuses.length, 1, 'the containers stay')
    t.match(
      h.events.find(({ reason }) => reason === 'DeadlineExceeded'),
      {
        type: 'Normal',
      },
    )
  },
)

test(
  'output is handed on to the end before the Pod has finished',
  { pod: pod([a], { restartPolicy: 'Never' }) },
  async (h, t) => {
    await h.start()
    h.runtime.running.get('a')?.stderr.write('half')
    await h.exit('a', 0)
    await h.runner.finished
    t.same(h.output, ['a stderr half', 'a end'])
  },
)

test(
  '4.6: what cannot be sent to a container run-time is waited for',
  {
    pod: pod([
      {
        ...a,
        envFrom: [{ prefix: '', secretRef: { name: 's', optional: false } }],
      },
    ]),
  },
  async (h, t) => {
    const secret = makeSecret({ name: 's' })
    h.secrets.set('s', {
      ...secret,
      data: new Map([['key', Buffer.of(0x80)]]),
    })
    await h.start()
    const { reason, message } = h.container('a').state.waiting ?? {}
    t.equal(reason, 'CreateContainerError')
    t.match(message, /"key", from key key of Secret default\/s$/)
    t.same(h.told('Failed', 'Created'), [`Failed Error: ${message}`])
    h.secrets.set('s', makeSecret({ name: 's', data: { key: 'text' } }))
    h.runner.wake()
    await settle()
    t.same(h.journal(), ['start a'])
  },
)

test(
  'an unknown image is waited for, as one that cannot be pulled',
  { pod: pod([{ name: 'a', image: 'quay.io/x' }]) },
  async (h, t) => {
    await h.start()
    t.match(h.container('a').state.waiting, {
      reason: 'ErrImagePull',
      message: /no program of this machine is known for the image "quay.io\/x"/,
    })
  },
)

test(
  'C297: the deadline also ends a Pod that waits for a volume',
  {
    pod: pod(
      [
        {
          ...a,
          volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: false }],
        },
      ],
      { activeDeadlineSeconds: 5 },
    ),
    options: { volume: () => new Promise(() => undefined) },
  },
  async (h, t) => {
    await h.start()
    await h.advance(5000)
    t.equal((await h.runner.finished).reason, 'DeadlineExceeded')
  },
)

t.test(
  'a mistake in podfs ends the run with it, and leaves nobody waiting',
  async t => {
    const defect = new Error('a defect')
    const { runner } = new PodRunnerHarness(t, {
      pod: makePod({}),
      options: {
        onStatus: () => {
          throw defect
        },
      },
    })
    runner.start()
    await t.rejects(runner.finished, defect)
  },
)

const lost = [
  'SandboxChanged Pod sandbox changed, it will be killed and re-created.',
  'Killing Stopping container a',
  'Killing Stopping container b',
]

test(
  'a lost sandbox: all containers end, and come again in another one',
  { pod: pod([a, b], { restartPolicy: 'OnFailure' }) },
  async (h, t) => {
    await h.start()
    h.journal()
    h.runtime.sandboxes[0]?.lose()
    await settle()
    t.same(h.journal(), [
      'SIGTERM a',
      'exit a 143',
      'SIGTERM b',
      'exit b 143',
      'start a',
      'start b',
    ])
    t.same(h.told('SandboxChanged', 'Killing'), lost)
    t.equal(h.runtime.sandboxes.length, 2)
    t.equal(h.container('a').restartCount, 1)
    t.equal(h.container('a').lastState.terminated?.exitCode, 143)
    t.ok(
      h.statuses.some(({ conditions }) =>
        conditions.some(
          ({ type, status }) =>
            type === 'PodReadyToStartContainers' && status === 'False',
        ),
      ),
    )
    t.equal(h.condition('PodReadyToStartContainers')?.status, 'True')
    await h.exit('a', 0)
    await h.exit('b', 0)
    t.equal((await h.runner.finished).phase, 'Succeeded')
    t.equal(h.runtime.sandboxes.length, 2, 'C304: none for what is done')
  },
)

test(
  'a lost sandbox: who was told to end, and did so with 0, is started again',
  {
    pod: pod([a], { restartPolicy: 'OnFailure' }),
    behaviours: { a: { onTerm: 0 } },
  },
  async (h, t) => {
    await h.start()
    h.runtime.sandboxes[0]?.lose()
    await settle()
    t.equal(h.container('a').restartCount, 1)
    t.ok(h.container('a').state.running)
  },
)

test(
  'a lost sandbox: init containers run again, from the first one on',
  { pod: pod([a], { initContainers: [init('i'), sidecar('s')] }) },
  async (h, t) => {
    await h.start()
    await h.exit('i', 0)
    h.journal()
    h.runtime.sandboxes[0]?.lose()
    await settle()
    t.same(h.journal().slice(-1), ['start i'])
    t.same([...h.runtime.running.keys()], ['i'])
    await h.exit('i', 0)
    t.same(h.journal(), ['exit i 0', 'start s', 'start a'])
    t.equal(h.container('i').restartCount, 1)
    t.equal(h.status.phase, 'Running')
  },
)

test(
  'a lost sandbox: where nothing is restarted, the Pod ends',
  { pod: pod([a], { restartPolicy: 'Never' }) },
  async (h, t) => {
    await h.start()
    h.runtime.sandboxes[0]?.lose()
    t.equal((await h.runner.finished).phase, 'Failed')
    t.same(h.told('SandboxChanged'), [])
  },
)

test(
  'a sandbox that cannot be made is told of once, and tried again',
  { pod: pod([a]) },
  async (h, t) => {
    h.runtime.sandboxError = 'no namespaces left'
    await h.start()
    await h.advance(10_000)
    t.same(h.told('FailedCreatePodSandBox'), [
      'FailedCreatePodSandBox Failed to create pod sandbox: no namespaces left',
    ])
    t.equal(h.status.phase, 'Pending')
    h.runtime.sandboxError = undefined
    await h.advance(10_000)
    t.equal(h.status.phase, 'Running')
  },
)

const gated = (gates: readonly string[], spec: Partial<PodSpec> = {}) =>
  pod([a], { schedulingGates: gates.map(name => ({ name })), ...spec })

test(
  'a Pod that is gated is on no node, and starts when its gates are gone',
  { pod: gated(['g'], { activeDeadlineSeconds: 60 }) },
  async (h, t) => {
    await h.start()
    t.same(h.journal(), [])
    t.same(h.status, {
      phase: 'Pending',
      conditions: [
        {
          type: 'PodScheduled',
          status: 'False',
          reason: 'SchedulingGated',
          message: 'Scheduling is blocked due to non-empty scheduling gates',
          lastProbeTime: null,
          lastTransitionTime: h.status.conditions[0]?.lastTransitionTime,
        },
      ],
      qosClass: 'BestEffort',
      containerStatuses: [],
    })
    t.same(h.events, [])
    // The deadline is that of a Pod on a node.
    await h.advance(100_000)
    h.runner.updatePod(gated([], { activeDeadlineSeconds: 60 }))
    await settle()
    t.same(h.journal(), ['start a'])
    t.equal(h.condition('PodScheduled')?.status, 'True')
    await h.advance(50_000)
    t.equal(h.status.phase, 'Running')
  },
)

test(
  'a Pod that cannot be scheduled is told of once, and goes when it is deleted',
  { pod: pod([a], { nodeSelector: new Map([['a', 'b']]) }) },
  async (h, t) => {
    await h.start()
    h.runner.wake()
    await settle()
    t.same(h.told('FailedScheduling'), [
      "FailedScheduling 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    ])
    t.equal(h.condition('PodScheduled')?.reason, 'Unschedulable')
    const { phase } = await h.runner.terminate()
    t.equal(phase, 'Pending')
    t.same(h.journal(), ['close'])
  },
)

test(
  'nodeName: what another node is to run does not run here',
  { pod: pod([a], { nodeName: 'other' }) },
  async (h, t) => {
    await h.start()
    t.same(h.status.conditions, [])
    t.same(h.journal(), [])
  },
)

test(
  'nodeName: who names this node asks no scheduler',
  { pod: pod([a], { nodeName: 'node', nodeSelector: new Map([['a', 'b']]) }) },
  async (h, t) => {
    await h.start()
    t.same(h.journal(), ['start a'])
  },
)

const debugging = (name: string, targetContainerName?: string): Pod => {
  const { spec, ...rest } = pod([a], { initContainers: [init('i')] })
  const ephemeral = {
    ...makeContainer({ name, command }),
    ...(targetContainerName !== undefined && { targetContainerName }),
  }
  return { ...rest, spec: { ...spec, ephemeralContainers: [ephemeral] } }
}

test(
  'an ephemeral container whose target has not begun waits for it',
  { pod: pod([a], { initContainers: [init('i')] }) },
  async (h, t) => {
    await h.start()
    t.same(h.journal(), ['start i'])
    h.runner.updatePod(debugging('e', 'a'))
    await settle()
    const waiting = (): unknown =>
      h.status.ephemeralContainerStatuses?.[0]?.state.waiting
    t.same(waiting(), {
      reason: 'CreateContainerConfigError',
      message: 'unable to find target container a',
    })
    await h.exit('i', 0)
    t.same(h.journal(), ['exit i 0', 'start a'])
    await h.advance(10_000)
    t.same(h.journal(), ['start e'])
    t.equal(h.runtime.launches.at(-1)?.pidNamespaceOf, 1)
    t.equal(h.status.phase, 'Running')
    await h.exit('e', 1)
    await h.advance(600_000)
    t.same(h.journal(), ['exit e 1'], 'C349: and is not started again')
    h.runner.updatePod(debugging('e', 'a'))
    await h.runner.terminate()
  },
)

test(
  'an ephemeral container whose target has ended waits in vain',
  { pod: pod([a], { initContainers: [init('i')] }) },
  async (h, t) => {
    await h.start()
    await h.exit('i', 0)
    h.runner.updatePod(debugging('e', 'i'))
    await settle()
    t.same(h.status.ephemeralContainerStatuses?.[0]?.state.waiting, {
      reason: 'CreateContainerError',
      message: 'invalid target container: container "i" is not running',
    })
    t.equal(h.condition('Ready')?.status, 'True')
    t.match(h.events.at(-1), {
      reason: 'Failed',
      fieldPath: 'spec.ephemeralContainers{e}',
    })
    const { phase } = await h.runner.terminate()
    t.equal(phase, 'Failed')
  },
)
