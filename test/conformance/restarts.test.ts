import { writeFileSync } from 'node:fs'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { container, type Json } from '../helpers/conformance-pod.ts'
import { podSaver, runPods, type SeenPod } from '../helpers/seen-pods.ts'

/*
 * What starts after what, and what starts again: real containers, in one run of several Pods. The
 * decisions are in test/runner/plan.test.ts and restart-policy.test.ts, long waits in
 * test/runner/pod-runner.test.ts.
 */

const runs = `trap 'exit 0' TERM; sleep 1000 & wait`
const counts = (then: string): string =>
  `echo run >>/data/$NAME; n=$(wc -l </data/$NAME); echo "run $n"; ${then}`
const data = (name: string): Json => ({
  env: [{ name: 'NAME', value: name }],
  volumeMounts: [{ name: 'data', mountPath: '/data' }],
})
const counted = (name: string, then: string, more: Json = {}): Json =>
  container(name, counts(then), { ...data(name), ...more })
const volumes = [{ name: 'data', emptyDir: {} }]
const rule = (action: string, code: number): Json => ({
  restartPolicy: 'Never',
  restartPolicyRules: [
    { action, exitCodes: { operator: 'In', values: [code] } },
  ],
})
const always = { restartPolicy: 'Always' }

const pods: Readonly<Record<string, Json>> = {
  c278: {
    containers: [
      counted('rule', `[ $n -gt 1 ] && exit 1; exit 42`, rule('Restart', 42)),
    ],
  },
  c279: { containers: [counted('rule', 'exit 1', rule('Restart', 42))] },
  c280: {
    ...always,
    containers: [
      counted('never', 'exit 1', { restartPolicy: 'Never' }),
      counted('other', `[ $n -gt 1 ] && { ${runs}; }; exit 1`),
    ],
  },
  c281: {
    containers: [
      counted('always', `[ $n -gt 1 ] && { ${runs}; }; exit 1`, always),
    ],
  },
  c282: {
    initContainers: [counted('init', 'exit 0'), counted('side', runs, always)],
    containers: [
      counted('main', `trap '' TERM; exec sleep 1000`),
      counted('done', 'exit 0'),
      counted(
        'rule',
        `[ $n -gt 1 ] && { ${runs}; }; until [ -e /ctl/c282 ]; do sleep 0.05; done; exit 42`,
        {
          ...rule('RestartAllContainers', 42),
          volumeMounts: [
            { name: 'data', mountPath: '/data' },
            { name: 'ctl', mountPath: '/ctl' },
          ],
        },
      ),
    ],
  },
  c212: {
    initContainers: [
      container(
        'init',
        'echo init >>/data/order; sleep 0.3; echo init over >>/data/order',
        data('init'),
      ),
    ],
    containers: [
      container(
        'main',
        `until [ -e /data/hook ]; do sleep 0.05; done; cat /data/order; ${runs}`,
        {
          ...data('main'),
          lifecycle: {
            postStart: {
              exec: {
                command: [
                  'sh',
                  '-c',
                  'echo hook >>/data/order; touch /data/hook',
                ],
              },
            },
          },
        },
      ),
    ],
  },
  c218: {
    ...always,
    initContainers: [counted('one', 'exit 0'), counted('two', 'exit 0')],
    containers: [counted('main', runs)],
  },
  c222: {
    initContainers: [counted('one', 'exit 1'), counted('two', 'exit 0')],
    containers: [counted('main', runs)],
  },
  c224: {
    ...always,
    containers: [counted('main', `[ $n -gt 1 ] && { ${runs}; }; exit 1`)],
  },
  c225: {
    ...always,
    initContainers: [counted('init', 'exit 1')],
    containers: [counted('main', runs)],
  },
  c227: {
    initContainers: [
      container('one', 'echo one over >>/data/order', data('one')),
      container('side', `echo side >>/data/order; touch /data/side; ${runs}`, {
        ...data('side'),
        ...always,
      }),
      container(
        'two',
        'until [ -e /data/side ]; do sleep 0.05; done; sleep 0.3; echo two over >>/data/order',
        data('two'),
      ),
      container('last', `echo last >>/data/order; touch /data/last; ${runs}`, {
        ...data('last'),
        ...always,
      }),
    ],
    containers: [
      container(
        'main',
        'until [ -e /data/last ]; do sleep 0.05; done; cat /data/order',
        data('main'),
      ),
    ],
  },
  // Its first two restarts are at once, or nearly.
  c273: { ...always, containers: [container('main', 'exit 1')] },
}

t.test('restarts', { skip: cannotStart() }, async t => {
  const directory = t.testdir({ in: {}, ctl: {} })
  const ctl = { name: 'ctl', hostPath: { path: `${directory}/ctl` } }
  const savePod = podSaver(`${directory}/in`)
  const save = (name: string, spec: Json): Promise<void> =>
    savePod(name, { ...spec, volumes: [...volumes, ctl] })
  for (const [name, spec] of Object.entries(pods)) await save(name, spec)
  const { run, history, until, over } = await runPods(t, `${directory}/in`, {
    PODFS_BACKOFF_SCALE: '0.05',
  })
  const ranTwice = (pod: string, name: string): Promise<SeenPod> =>
    until(pod, ({ of }) => {
      const { restartCount, state } = of(name)
      return restartCount === 1 && state.running !== undefined
    })
  const saw = (pod: string, name: string, text: string): Promise<unknown> =>
    run.saw(new RegExp(`^${pod}/${name} +\\| ${text}$`, 'm'))
  const linesOf = (name: string): string[] =>
    [...run.stdout().matchAll(/^(\S+) +\| (.*)$/gm)]
      .filter(([, who]) => who === name)
      .map(([, , line = '']) => line)

  await t.test('C278: a rule that matches restarts', async t => {
    const { phase, of } = await over('c278')
    t.equal(phase, 'Failed', 'once: the second exit code is another one')
    t.match(of('rule'), {
      restartCount: 1,
      state: { terminated: { exitCode: 1 } },
    })
  })
  await t.test('C279: one that does not match restarts nothing', async t => {
    const { phase, of } = await over('c279')
    t.equal(phase, 'Failed')
    t.match(of('rule'), {
      restartCount: 0,
      state: { terminated: { exitCode: 1 } },
    })
  })
  await t.test("C280: a container's Never, in a Pod of Always", async t => {
    const { of } = await ranTwice('c280', 'other')
    t.match(of('never'), {
      restartCount: 0,
      state: { terminated: { exitCode: 1 } },
    })
  })
  await t.test("C281: a container's Always, in a Pod of Never", async t => {
    const { phase } = await ranTwice('c281', 'always')
    t.equal(phase, 'Running')
  })
  await t.test('C282: RestartAllContainers', async t => {
    for (const name of ['init', 'side', 'main', 'done', 'rule'])
      await saw('c282', name, 'run 1')
    await until('c282', ({ of }) => of('done').state.terminated !== undefined)
    writeFileSync(`${directory}/ctl/c282`, '')
    await until(
      'c282',
      ({ condition }) =>
        condition('AllContainersRestarting')?.['status'] === 'True',
    )
    for (const name of ['init', 'side', 'main', 'done', 'rule'])
      await saw('c282', name, 'run 2')
    const { of, phase, condition } = await ranTwice('c282', 'rule')
    t.equal(phase, 'Running')
    t.match(condition('AllContainersRestarting'), { status: 'False' })
    for (const name of ['init', 'side', 'main', 'done', 'rule'])
      t.match(
        of(name),
        {
          restartCount: 1,
          lastState: {
            terminated: { exitCode: 137, reason: 'RestartingAllContainers' },
          },
        },
        name,
      )
    t.match(
      history('c282').find(
        seen =>
          seen.of('main').state.waiting?.reason === 'RestartingAllContainers',
      ),
      { phase: 'Pending' },
    )
    await run.saw(
      /container \S*c282\/main ended and was started again: restart 1$/m,
      'stderr',
    )
  })
  await t.test('C212: init, start, postStart', async t => {
    await saw('c212', 'main', 'hook')
    t.same(linesOf('c212/main'), ['init', 'init over', 'hook'])
  })
  await t.test(
    'C218: init containers, and then a container that goes on',
    async t => {
      await saw('c218', 'main', 'run 1')
      const { phase, of, condition } = await until(
        'c218',
        ({ of }) => of('main').ready,
      )
      t.equal(phase, 'Running')
      t.match(condition('Initialized'), { status: 'True' })
      for (const name of ['one', 'two'])
        t.match(of(name), {
          ready: true,
          restartCount: 0,
          state: { terminated: { exitCode: 0, reason: 'Completed' } },
        })
    },
  )
  await t.test(
    'C222: after an init container that fails nothing starts',
    async t => {
      const { phase, of } = await over('c222')
      t.equal(phase, 'Failed')
      t.match(of('one').state.terminated, { exitCode: 1, reason: 'Error' })
      t.equal(of('two').state.waiting?.reason, 'PodInitializing')
      t.equal(of('main').state.waiting?.reason, 'PodInitializing')
      t.same([...linesOf('c222/two'), ...linesOf('c222/main')], [])
    },
  )
  await t.test('C224: Always restarts what fails', async t => {
    const { of } = await ranTwice('c224', 'main')
    t.match(of('main').lastState.terminated, { exitCode: 1 })
  })
  await t.test(
    'C225: while its init container fails no container is said to have started',
    async t => {
      await until('c225', ({ of }) => of('init').restartCount >= 3)
      const seen = history('c225')
      for (const { of, phase } of seen) {
        t.equal(phase, 'Pending')
        t.match(of('main'), {
          started: false,
          ready: false,
          state: { waiting: { reason: 'PodInitializing' } },
        })
      }
      t.same(linesOf('c225/main'), [])
    },
  )
  await t.test(
    'C227: the second init container before the second sidecar',
    async t => {
      await over('c227')
      t.same(linesOf('c227/main'), ['one over', 'side', 'two over', 'last'])
    },
  )
  await t.test('C273: a changed image begins the back-off anew', async t => {
    const waits = (seen: SeenPod): string | undefined =>
      /^back-off (\S+) /.exec(seen.of('main').state.waiting?.message ?? '')?.[1]
    await until('c273', seen => waits(seen) === '2s')
    await save('c273', {
      ...always,
      containers: [container('main', 'exit 1', { image: 'alpine' })],
    })
    const isNew = (seen: SeenPod): boolean => seen.of('main').image === 'alpine'
    const { of } = await until(
      'c273',
      seen => isNew(seen) && waits(seen) !== undefined,
    )
    t.match(of('main'), {
      restartCount: 1,
      state: { waiting: { message: /^back-off 500ms / } },
    })
  })
})
