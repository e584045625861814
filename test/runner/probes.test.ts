import t, { type Test } from 'tap'

import type { Container, Pod, PodSpec, Probe } from '../../src/api/types.ts'
import { endlessHook, type FakeBehaviour } from '../helpers/fake-runtime.ts'
import { makeContainer, makePod, makeProbe } from '../helpers/make-objects.ts'
import { PodRunnerHarness } from '../helpers/pod-runner-harness.ts'

/* The probes of a Pod on a clock whose hours pass at once; exec alone, the rules are the same. */

/** What each command says: the exit code, or `hang`. Tests change it. */
type Answers = Record<string, number | 'hang'>

const exec = (command: string, more: Partial<Probe> = {}): Probe =>
  makeProbe({ exec: { command: [command] }, ...more })

/** Commands of a container by what `answers` says; others succeed. */
function commands(
  answers: Answers,
  more: Partial<FakeBehaviour> = {},
): FakeBehaviour {
  return {
    exec: async (argv, abort) => {
      const answer = answers[argv[0] ?? ''] ?? 0
      if (answer === 'hang') return await endlessHook(argv, abort)
      return { exitCode: answer, output: answer === 0 ? '' : `${answer}\n` }
    },
    ...more,
  }
}

/** A sidecar beside a regular container, or that one alone. */
function podOf(
  kind: 'regular' | 'sidecar',
  container: Partial<Container>,
  spec: Partial<PodSpec> = {},
): Pod {
  const probed = makeContainer({
    name: 'c',
    command: ['program'],
    ...container,
  })
  return makePod({
    name: 'p',
    spec:
      kind === 'regular'
        ? { containers: [probed], ...spec }
        : {
            initContainers: [{ ...probed, restartPolicy: 'Always' }],
            containers: [makeContainer({ name: 'main', command: ['program'] })],
            ...spec,
          },
  })
}

/** How often a command ran since the last look at the journal. */
function looks(h: PodRunnerHarness, command: string): number {
  return h.journal().filter(line => line === `exec c ${command}`).length
}

const kinds = ['regular', 'sidecar'] as const

function both(
  title: string,
  body: (t: Test, kind: (typeof kinds)[number]) => Promise<void>,
): void {
  for (const kind of kinds)
    t.test(kind === 'sidecar' ? `C246: ${title}, of a sidecar` : title, t =>
      body(t, kind),
    )
}

both('C247: not ready before the delay', async (t, kind) => {
  const readinessProbe = exec('ready', { initialDelaySeconds: 15 })
  const h = new PodRunnerHarness(t, {
    pod: podOf(kind, { readinessProbe }),
    behaviours: { c: commands({}) },
  })
  await h.start()
  t.equal(h.container('c').started, true)
  await h.advance(14_999)
  t.equal(h.container('c').ready, false)
  t.equal(looks(h, 'ready'), 0)
  t.equal(h.condition('Ready')?.status, 'False')
  t.match(
    h.condition('Ready')?.message,
    /^containers with unready status: \[c\]$/,
  )
  await h.advance(1)
  t.equal(h.container('c').ready, true)
  t.equal(h.condition('Ready')?.status, 'True')
  t.equal(h.condition('ContainersReady')?.status, 'True')
  t.equal(h.container('c').restartCount, 0)
})

both('C248: readiness that fails restarts nothing', async (t, kind) => {
  const answers: Answers = { ready: 1 }
  const readinessProbe = exec('ready', {
    periodSeconds: 5,
    failureThreshold: 2,
  })
  const h = new PodRunnerHarness(t, {
    pod: podOf(kind, { readinessProbe }),
    behaviours: { c: commands(answers) },
  })
  await h.start()
  await h.advance(60_000)
  t.equal(looks(h, 'ready'), 13)
  t.equal(h.container('c').ready, false)
  t.equal(h.container('c').restartCount, 0)
  t.equal(
    h
      .told('Unhealthy')
      .filter(text => text === 'Unhealthy Readiness probe failed: 1\n').length,
    13,
    'each time, the output to the letter',
  )
  answers['ready'] = 0
  await h.advance(5000)
  t.equal(h.container('c').ready, true)
  answers['ready'] = 1
  await h.advance(5000)
  t.equal(h.container('c').ready, true, 'below its threshold')
  await h.advance(5000)
  t.equal(h.container('c').ready, false)
  t.equal(h.condition('Ready')?.status, 'False')
})

both('C249 C253 C215: liveness restarts', async (t, kind) => {
  const answers: Answers = {}
  const h = new PodRunnerHarness(t, {
    pod: podOf(kind, {
      livenessProbe: exec('live', { failureThreshold: 2 }),
      lifecycle: { preStop: { exec: { command: ['stop'] } } },
    }),
    behaviours: { c: commands(answers) },
  })
  await h.start()
  await h.advance(60_000)
  t.equal(h.container('c').restartCount, 0)
  answers['live'] = 1
  h.journal()
  const before = h.statuses.length
  await h.advance(20_000)
  t.same(h.journal(), [
    'exec c live',
    'exec c live',
    'exec c stop',
    'SIGTERM c',
    'exit c 143',
    'start c',
    'exec c live',
  ])
  t.same(h.told('Killing'), [
    kind === 'regular'
      ? 'Killing Container c failed liveness probe, will be restarted'
      : 'Killing Init container c failed liveness probe',
  ])
  const all = h.statuses
    .slice(before)
    .flatMap(({ initContainerStatuses = [], containerStatuses }) =>
      [...initContainerStatuses, ...containerStatuses].filter(
        ({ name }) => name === 'c',
      ),
    )
  t.ok(
    all.every(({ state, ready }) => state.running !== undefined && ready),
    '6.3: no end is told, and Ready does not change',
  )
  t.match(h.container('c'), {
    restartCount: 1,
    lastState: { terminated: { exitCode: 143 } },
  })
  await h.advance(10_000)
  t.equal(h.container('c').restartCount, 2)
})

t.test('6.3 C253: the back-off after a kill', async t => {
  const h = new PodRunnerHarness(t, {
    pod: podOf('regular', {
      livenessProbe: exec('live', { periodSeconds: 2, failureThreshold: 2 }),
    }),
    behaviours: { c: commands({ live: 1 }, { onTerm: 0 }) },
  })
  await h.start()
  const columns: string[] = []
  for (let second = 1; second <= 38; second++) {
    await h.advance(1000)
    const { state, restartCount, ready } = h.container('c')
    columns.push(
      `${ready ? '1/1' : '0/1'} ${state.waiting?.reason ?? 'Running'} ${restartCount}`,
    )
  }
  // The words and the order of a real kubelet (it waits up to 15 s longer).
  t.same(
    columns.filter((line, i) => line !== columns[i - 1]),
    [
      '1/1 Running 0',
      '1/1 Running 1',
      '1/1 Running 2',
      '0/1 CrashLoopBackOff 2',
      '1/1 Running 3',
      '0/1 CrashLoopBackOff 3',
      '1/1 Running 4',
    ],
  )
  t.match(h.told('BackOff'), [
    /^BackOff Back-off restarting failed container c in pod p_default\(p-uid\)$/,
    /^BackOff /,
  ])
})

t.test('OnFailure: a kill restarts, whatever the exit code', async t => {
  const h = new PodRunnerHarness(t, {
    pod: podOf(
      'regular',
      { livenessProbe: exec('live', { failureThreshold: 1 }) },
      { restartPolicy: 'OnFailure' },
    ),
    behaviours: { c: commands({ live: 1 }, { onTerm: 0 }) },
  })
  await h.start()
  await h.advance(1)
  t.equal(h.container('c').restartCount, 2)
})

t.test('Never: a kill is the end', async t => {
  const h = new PodRunnerHarness(t, {
    pod: podOf(
      'regular',
      { livenessProbe: exec('live', { failureThreshold: 1 }) },
      { restartPolicy: 'Never' },
    ),
    behaviours: { c: commands({ live: 1 }) },
  })
  await h.start()
  await h.advance(2000)
  t.match(await h.runner.finished, { phase: 'Failed' })
  t.same(h.told('Killing'), ['Killing Container c failed liveness probe'])
  t.match(h.container('c').state, { terminated: { exitCode: 143 } })
})

both('C250: liveness that succeeds restarts nothing', async (t, kind) => {
  const h = new PodRunnerHarness(t, {
    pod: podOf(kind, { livenessProbe: exec('live', { periodSeconds: 1 }) }),
    behaviours: { c: commands({}) },
  })
  await h.start()
  await h.advance(240_000)
  t.equal(looks(h, 'live'), 241)
  t.equal(h.container('c').restartCount, 0)
  t.same(h.told('Unhealthy', 'Killing'), [])
})

both('C257 C258: a probe that hangs', async (t, kind) => {
  const answers: Answers = { ready: 'hang', live: 0 }
  const h = new PodRunnerHarness(t, {
    pod: podOf(kind, {
      readinessProbe: exec('ready', { periodSeconds: 2, timeoutSeconds: 1 }),
      livenessProbe: exec('live', { failureThreshold: 1, timeoutSeconds: 70 }),
    }),
    behaviours: { c: commands(answers) },
  })
  await h.start()
  await h.advance(19_000)
  t.equal(h.container('c').ready, false)
  t.equal(
    h.told('Unhealthy')[0],
    'Unhealthy Readiness probe failed: command timed out: "ready" timed out after 1s',
  )
  answers['live'] = 'hang'
  h.journal()
  await h.advance(70_000)
  t.equal(looks(h, 'live'), 1, 'slower than its period: one at a time')
  t.equal(h.container('c').restartCount, 0)
  await h.advance(1000)
  t.equal(h.container('c').restartCount, 1)
  t.match(h.told('Unhealthy').at(-1), /"live" timed out after 1m10s$/)
})

both('C214 C262: startup that fails restarts', async (t, kind) => {
  const h = new PodRunnerHarness(t, {
    pod: podOf(kind, {
      startupProbe: exec('up'),
      livenessProbe: exec('live', { failureThreshold: 1 }),
      lifecycle: { preStop: { exec: { command: ['stop'] } } },
    }),
    behaviours: { c: commands({ up: 1 }) },
  })
  await h.start()
  t.equal(h.container('c').started, false)
  t.equal(h.container('c').ready, false)
  await h.advance(20_000)
  t.equal(h.container('c').restartCount, 1)
  t.same(
    h.journal().filter(line => !line.startsWith('start ')),
    [
      'exec c up',
      'exec c up',
      'exec c up',
      'exec c stop',
      'SIGTERM c',
      'exit c 143',
      'exec c up',
    ],
  )
  t.same(h.told('Killing'), [
    kind === 'regular'
      ? 'Killing Container c failed startup probe, will be restarted'
      : 'Killing Init container c failed startup probe',
  ])
  t.equal(h.container('c').started, false)
})

both('C263 C264: liveness waits for startup', async (t, kind) => {
  const answers: Answers = { up: 1, live: 1 }
  const h = new PodRunnerHarness(t, {
    pod: podOf(kind, {
      startupProbe: exec('up', { failureThreshold: 60 }),
      livenessProbe: exec('live', { failureThreshold: 1 }),
    }),
    behaviours: { c: commands(answers) },
  })
  await h.start()
  await h.advance(300_000)
  t.equal(looks(h, 'live'), 0)
  t.equal(h.container('c').restartCount, 0)
  answers['up'] = 0
  await h.advance(10_000)
  t.equal(h.container('c').restartCount, 2)
  t.match(h.told('Killing')[0], /failed liveness probe/)
})

both('C265: ready as soon as it is started', async (t, kind) => {
  const answers: Answers = { up: 1 }
  const h = new PodRunnerHarness(t, {
    pod: podOf(kind, {
      startupProbe: exec('up', { periodSeconds: 5 }),
      readinessProbe: exec('ready', { periodSeconds: 30 }),
      livenessProbe: exec('live', { periodSeconds: 30 }),
    }),
    behaviours: { c: commands(answers) },
  })
  await h.start()
  await h.advance(7000)
  answers['up'] = 0
  await h.advance(3000)
  t.match(h.container('c'), { started: true, ready: true })
  h.journal()
  await h.advance(60_000)
  t.equal(looks(h, 'up'), 0, 'and nobody asks again whether it has started')
})

for (const probe of ['livenessProbe', 'startupProbe'] as const)
  both(
    `${probe === 'livenessProbe' ? 'C266' : 'C267'}: the grace period of a ${probe}`,
    async (t, kind) => {
      const h = new PodRunnerHarness(t, {
        pod: podOf(
          kind,
          {
            [probe]: exec('fails', {
              failureThreshold: 1,
              terminationGracePeriodSeconds: 5,
            }),
          },
          { terminationGracePeriodSeconds: 500 },
        ),
        behaviours: { c: commands({ fails: 1 }, { onTerm: 'ignore' }) },
      })
      await h.start()
      await h.advance(4999)
      t.equal(h.container('c').restartCount, 0)
      await h.advance(1)
      t.equal(h.container('c').restartCount, 1)
      t.match(h.container('c').lastState, { terminated: { exitCode: 137 } })
    },
  )

both('C216 C268 C269 C244: a Pod that is being deleted', async (t, kind) => {
  const answers: Answers = { stop: 'hang' }
  const h = new PodRunnerHarness(t, {
    pod: podOf(kind, {
      readinessProbe: exec('ready', { periodSeconds: 1, failureThreshold: 1 }),
      livenessProbe: exec('live', { periodSeconds: 1, failureThreshold: 1 }),
      lifecycle: { preStop: { exec: { command: ['stop'] } } },
    }),
    behaviours: { c: commands(answers, { onTerm: 'ignore' }) },
  })
  await h.start()
  await h.advance(0)
  t.equal(h.container('c').ready, true)
  const ended = h.runner.terminate()
  await h.advance(0)
  h.journal()
  answers['ready'] = 1
  answers['live'] = 1
  await h.advance(3000)
  const during = h.journal()
  t.ok(during.includes('exec c ready'))
  t.notOk(during.includes('exec c live'))
  t.equal(h.container('c').ready, false)
  t.equal(h.condition('Ready')?.status, 'False')
  await h.advance(40_000)
  await ended
  t.match(h.told('Unhealthy')[0], 'Unhealthy Readiness probe failed: 1\n')
  t.notOk(h.told('Unhealthy').some(text => text.includes('Liveness')))
  t.same(
    h.told('Killing').filter(text => text.endsWith(' c')),
    ['Killing Stopping container c'],
  )
})

t.test('4.2: deleted before it has started: it counts as started', async t => {
  const h = new PodRunnerHarness(t, {
    pod: podOf('regular', {
      startupProbe: exec('up'),
      readinessProbe: exec('ready'),
    }),
    behaviours: { c: commands({ up: 1 }, { onTerm: 'ignore' }) },
  })
  await h.start()
  await h.advance(0)
  const ended = h.runner.terminate()
  await h.advance(15_000)
  t.match(h.container('c'), { started: true, ready: true })
  t.same(
    h.journal().filter(line => line === 'exec c up').length,
    1,
    'and is not asked again',
  )
  await h.advance(60_000)
  await ended
})

t.test('a Pod that is deleted while a probe kills', async t => {
  const h = new PodRunnerHarness(t, {
    pod: podOf(
      'regular',
      { livenessProbe: exec('live', { failureThreshold: 1 }) },
      { terminationGracePeriodSeconds: 100 },
    ),
    behaviours: { c: commands({ live: 1 }, { onTerm: 'ignore' }) },
  })
  await h.start()
  await h.advance(1000)
  const ended = h.runner.terminate(3)
  await h.advance(4000)
  t.match(await ended, { phase: 'Failed' })
  t.match(h.container('c').state, { terminated: { exitCode: 137 } })
  t.notOk(h.journal().slice(1).includes('start c'))
})

t.test('C233 C245: a startup probe gates what comes after', async t => {
  const answers: Answers = { up: 1 }
  const command = ['program']
  const h = new PodRunnerHarness(t, {
    pod: makePod({
      spec: {
        initContainers: [
          makeContainer({
            name: 'c',
            command,
            restartPolicy: 'Always',
            startupProbe: exec('up', {
              periodSeconds: 1,
              failureThreshold: 100,
            }),
          }),
          makeContainer({ name: 'second', command, restartPolicy: 'Always' }),
        ],
        containers: [makeContainer({ name: 'main', command })],
      },
    }),
    behaviours: { c: commands(answers) },
  })
  await h.start()
  await h.advance(60_000)
  t.notOk(h.runtime.running.has('second'))
  t.equal(h.status.phase, 'Pending')
  t.match(h.condition('Initialized'), {
    status: 'False',
    message: 'containers with incomplete status: [c second]',
  })
  answers['up'] = 0
  await h.advance(1000)
  t.same(
    h.journal().filter(line => line.startsWith('start ')),
    ['start c', 'start second', 'start main'],
  )
  t.equal(h.status.phase, 'Running')
  t.equal(h.condition('Initialized')?.status, 'True')
})

t.test('C234: a sidecar that does not start', async t => {
  const h = new PodRunnerHarness(t, {
    pod: podOf('sidecar', {
      startupProbe: exec('up', { periodSeconds: 1, failureThreshold: 2 }),
      lifecycle: { preStop: { exec: { command: ['stop'] } } },
    }),
    behaviours: { c: commands({ up: 1 }) },
  })
  await h.start()
  await h.advance(1500)
  t.equal(h.container('c').restartCount, 1)
  const journal = h.journal()
  t.ok(journal.includes('exec c stop'))
  t.notOk(journal.includes('start main'))
  const ended = h.runner.terminate()
  await h.advance(40_000)
  t.equal((await ended).containerStatuses[0]?.state.terminated, undefined)
  t.equal(
    h.container('main').state.waiting?.reason,
    'PodInitializing',
    '6.6: it was never initialized',
  )
})

t.test('C235: liveness of a sidecar does not hold up the next', async t => {
  const h = new PodRunnerHarness(t, {
    pod: podOf('sidecar', {
      livenessProbe: exec('live', { periodSeconds: 1, failureThreshold: 2 }),
      lifecycle: { preStop: { exec: { command: ['stop'] } } },
    }),
    behaviours: { c: commands({ live: 1 }) },
  })
  await h.start()
  t.ok(h.runtime.running.has('main'))
  await h.advance(1500)
  t.equal(h.container('c').restartCount, 1)
  t.ok(h.journal().includes('exec c stop'))
  t.equal(h.container('main').restartCount, 0)
})

t.test('4.2: a probe that cannot run changes nothing', async t => {
  let notStarted = true
  const h = new PodRunnerHarness(t, {
    pod: podOf('regular', {
      livenessProbe: exec('live', { failureThreshold: 1 }),
    }),
    behaviours: {
      c: {
        exec: async () =>
          notStarted
            ? { exitCode: 127, output: 'not found', notStarted }
            : await Promise.reject(new Error('EMFILE')),
      },
    },
  })
  await h.start()
  await h.advance(0)
  t.equal(looks(h, 'live'), 3, 'tried three times')
  t.same(h.told('Unhealthy'), [
    'Unhealthy Liveness probe errored and resulted in unknown state: not found',
  ])
  notStarted = false
  await h.advance(10_000)
  t.equal(looks(h, 'live'), 3)
  t.match(h.told('Unhealthy').at(-1), /unknown state: EMFILE$/)
  t.equal(h.container('c').restartCount, 0)
})

t.test('4.2: a count outlives the instance', async t => {
  const h = new PodRunnerHarness(t, {
    pod: podOf('regular', {
      livenessProbe: exec('live', { failureThreshold: 4 }),
    }),
    behaviours: { c: commands({ live: 1 }) },
  })
  await h.start()
  await h.advance(10_000)
  await h.exit('c', 1)
  await h.advance(0)
  t.equal(h.container('c').restartCount, 1)
  t.equal(looks(h, 'live'), 3)
  await h.advance(10_000)
  t.match(h.told('Killing'), [/failed liveness probe/])
})

t.test('4.2: the probes of a Pod come into step', async t => {
  const container = (name: string): Container =>
    makeContainer({
      name,
      command: ['program'],
      readinessProbe: exec('ready'),
      livenessProbe: exec('live', { periodSeconds: 5 }),
    })
  const h = new PodRunnerHarness(t, {
    pod: makePod({
      name: 'p',
      spec: { containers: [container('a'), container('b')] },
    }),
    behaviours: { a: commands({}), b: commands({}) },
  })
  await h.start()
  await h.advance(3456)
  await h.exit('b', 1)
  await h.advance(120_000)
  h.journal()
  /** What looks within so many milliseconds. */
  const looks = async (ms: number): Promise<readonly string[]> => {
    await h.advance(ms)
    return [...h.journal()].sort()
  }
  while ((await looks(100)).length === 0);
  t.same(await looks(4800), [], 'nobody looks between')
  const live = ['exec a live', 'exec b live']
  const all = [...live, 'exec a ready', 'exec b ready'].sort()
  const [one, two] = [await looks(200), await looks(5000)]
  t.same(
    [one, two].sort((a, b) => a.length - b.length),
    [live, all],
  )
})

t.test('4.3: no probe looks before postStart is over', async t => {
  const answers: Answers = { hook: 'hang' }
  const h = new PodRunnerHarness(t, {
    pod: podOf('regular', {
      readinessProbe: exec('ready'),
      lifecycle: { postStart: { exec: { command: ['hook'] } } },
    }),
    behaviours: { c: commands(answers) },
  })
  await h.start()
  await h.advance(60_000)
  t.equal(looks(h, 'ready'), 0)
})

t.test('exec: only what stands in env itself is expanded', async t => {
  const command = ['$(A)', '$(FROM)', '$(NONE)', '$$(A)']
  const h = new PodRunnerHarness(t, {
    pod: podOf('regular', {
      env: [
        { name: 'A', value: 'a' },
        {
          name: 'FROM',
          valueFrom: { fieldRef: { fieldPath: 'metadata.name' } },
        },
      ],
      readinessProbe: makeProbe({ exec: { command } }),
    }),
  })
  await h.start()
  await h.advance(0)
  t.same(h.journal(), ['start c', 'exec c a  $(NONE) $(A)'])
})

t.test('a command that cannot be killed is not joined by others', async t => {
  let running = 0
  let end = (): void => undefined
  const h = new PodRunnerHarness(t, {
    pod: podOf('regular', {
      readinessProbe: exec('stuck', { periodSeconds: 1, failureThreshold: 1 }),
    }),
    behaviours: {
      c: {
        exec: async () => {
          running++
          if (running === 1) await new Promise<void>(resolve => (end = resolve))
          return { exitCode: 0, output: '' }
        },
      },
    },
  })
  await h.start()
  await h.advance(10_000)
  t.equal(running, 1)
  t.equal(h.container('c').ready, false)
  t.ok(h.told('Unhealthy').length > 5, 'each look is a time-out')
  end()
  await h.advance(2000)
  t.ok(running > 1, 'when it is gone the next one runs')
  t.equal(h.container('c').ready, true)
})

t.test('a probe ends with its container', async t => {
  const h = new PodRunnerHarness(t, {
    pod: podOf(
      'regular',
      { readinessProbe: exec('ready', { timeoutSeconds: 1000 }) },
      { restartPolicy: 'Never' },
    ),
    behaviours: { c: commands({ ready: 'hang' }) },
  })
  await h.start()
  await h.exit('c', 0)
  await h.advance(5000)
  await h.runner.finished
  t.equal(h.clock.pending, 0, 'and leaves no timer')
  t.same(h.told('Unhealthy'), [])
})
