import t from 'tap'
import type { Pod } from '../../src/api/types.ts'
import type { PodSession } from '../../src/pods/pod-session.ts'
import { SupervisedPod } from '../../src/pods/supervised-pod.ts'
import type { PodStatus } from '../../src/runner/status/pod-status.ts'
import { makePod } from '../helpers/make-objects.ts'

/*
 * What a change means at each moment of a Pod's life. The runs themselves are stand-ins that
 * write down what is asked of them and end when the test says so.
 */

const version = (hostname: string, labels = {}): Pod =>
  makePod({ labels, spec: { hostname } })

function supervise(options: { recreate?: boolean; unknown?: string } = {}) {
  const log: string[] = []
  let finish: (phase: string) => void = () => undefined
  let lose: (error: Error) => void = () => undefined
  let startable = 0
  let mayStart: Promise<void> = Promise.resolve()
  const supervised = new SupervisedPod({
    recreate: options.recreate ?? true,
    notice: text => log.push(text.replace('Pod default/pod', 'it')),
    startable: pod => {
      startable += 1
      return pod.spec.hostname !== options.unknown
    },
    onIdle: () => log.push('idle'),
    onUpdated: () => undefined,
    onForgotten: () => log.push('forgotten'),
    onError: error => log.push(String(error)),
    start: async (pod): Promise<PodSession> => {
      await mayStart
      log.push(`start ${pod.spec.hostname}`)
      return session(pod)
    },
  })
  const session = (pod: Pod, isTerminating = false): PodSession => {
    const name = pod.spec.hostname
    const finished = new Promise<PodStatus>((resolve, reject) => {
      finish = phase => resolve({ phase } as PodStatus)
      lose = reject
    })
    return {
      pod,
      isTerminating,
      finished,
      current: () => pod,
      written: () => ({ conditions: [] }),
      setWritten: () => undefined,
      update: ({ metadata }) =>
        log.push(`update ${[...metadata.labels.values()].join()}`),
      wake: () => log.push('wake'),
      terminate: grace => log.push(`terminate ${name} ${grace ?? ''}`.trim()),
      close: async () => void log.push(`close ${name}`),
      forget: async () => undefined,
    }
  }
  return {
    supervised,
    log,
    startableCalls: () => startable,
    /** One that a podfs before this one has started. */
    adopt: async (pod: Pod, isTerminating = false) => {
      supervised.adopt(pod, Promise.resolve(session(pod, isTerminating)))
      await settle()
    },
    /** What runs it is gone. */
    lose: async () => {
      lose(new Error('lost'))
      await settle()
    },
    /** What runs has ended; everything that follows of it has happened. */
    end: async (phase = 'Succeeded') => {
      finish(phase)
      await settle()
    },
    holdStart: () => {
      let go: () => void = () => undefined
      mayStart = new Promise(resolve => (go = resolve))
      return async () => {
        go()
        await settle()
      }
    },
  }
}

const settle = () => new Promise<void>(resolve => setImmediate(resolve))

t.test('a change ends the old one, then starts the new one', async t => {
  const { supervised, log, end } = supervise()
  supervised.want(version('one'))
  await settle()
  supervised.want(version('two'))
  t.notOk(supervised.idle)
  await end()
  await end('Failed')
  t.strictSame(log, [
    'start one',
    'it changed (spec.hostname): restarting it',
    'terminate one',
    'close one',
    'start two',
    'close two',
    'idle',
  ])
  t.match(supervised.outcome, { status: { phase: 'Failed' }, deleted: false })
})

t.test('of several changes during the termination the last counts', async t => {
  const { supervised, log, end } = supervise({ unknown: 'bad' })
  supervised.want(version('one'))
  await settle()
  for (const name of ['two', 'three', 'four', 'bad'])
    supervised.want(version(name))
  await end()
  t.strictSame(log, [
    'start one',
    'it changed (spec.hostname): restarting it',
    'terminate one',
    'close one',
    'start four',
  ])
})

t.test(
  'back to what it was during the termination: it starts again',
  async t => {
    const { supervised, log, end } = supervise()
    supervised.want(version('one'))
    await settle()
    supervised.want(version('two'))
    supervised.want(version('one'))
    await end()
    t.equal(log.at(-1), 'start one')
  },
)

t.test('a change while it is being started', async t => {
  const { supervised, log, end, holdStart } = supervise()
  const go = holdStart()
  supervised.want(version('one'))
  supervised.want(version('two'))
  await go()
  await end()
  t.strictSame(log, [
    'start one',
    'it changed (spec.hostname): restarting it',
    'terminate one',
    'close one',
    'start two',
  ])
})

t.test('labels are live; nothing is restarted', async t => {
  const { supervised, log } = supervise()
  supervised.want(version('one'))
  await settle()
  supervised.want(version('one', { a: 'b' }))
  supervised.wake()
  t.strictSame(log, ['start one', 'update b', 'wake'])
})

t.test('what cannot be started leaves the old one alone', async t => {
  const { supervised, log, end, startableCalls } = supervise({ unknown: 'bad' })
  supervised.want(version('bad'))
  t.ok(supervised.idle)
  t.equal(supervised.outcome, undefined)
  supervised.want(version('one'))
  await settle()
  const before = startableCalls()
  supervised.want(version('bad'))
  t.equal(startableCalls(), before + 1, 'told once')
  await end()
  t.strictSame(log, ['start one', 'close one', 'idle'])
})

t.test('gone from the files, and back', async t => {
  const { supervised, log, end } = supervise()
  supervised.want(version('one'))
  await settle()
  supervised.drop('is gone')
  supervised.drop('is gone')
  await end('Failed')
  t.match(supervised.outcome, { deleted: true })
  supervised.want(version('one'))
  await settle()
  supervised.drop('is gone')
  supervised.want(version('one'))
  await end()
  t.strictSame(log, [
    'start one',
    'it is gone: ending it',
    'terminate one',
    'close one',
    'idle',
    'it has changed: starting it again',
    'start one',
    'it is gone: ending it',
    'terminate one',
    'close one',
    'start one',
  ])
})

t.test('gone while it is being started', async t => {
  const { supervised, log, end, holdStart } = supervise()
  const go = holdStart()
  supervised.want(version('one'))
  supervised.drop('is gone')
  await go()
  await end()
  t.strictSame(log, [
    'it is gone: ending it',
    'start one',
    'terminate one',
    'close one',
    'idle',
  ])
  t.match(supervised.outcome, { deleted: true })
})

t.test(
  'what has ended by itself starts again only when it is another one',
  async t => {
    const { supervised, log, end } = supervise()
    supervised.want(version('one'))
    await settle()
    await end()
    supervised.want(version('one', { a: 'b' }))
    t.ok(supervised.idle)
    supervised.want(version('two'))
    await settle()
    t.equal(log.at(-1), 'start two')
  },
)

t.test('Ctrl-C is the last word', async t => {
  for (const moment of ['starting', 'running', 'restarting']) {
    const { supervised, log, end, holdStart } = supervise()
    const go = moment === 'starting' ? holdStart() : settle
    supervised.want(version('one'))
    if (moment !== 'starting') await settle()
    if (moment === 'restarting') supervised.want(version('two'))
    supervised.stop()
    supervised.stop(0)
    supervised.want(version('three'))
    supervised.drop('is gone')
    await go()
    await end()
    t.ok(supervised.idle)
    t.equal(log.at(-1), 'idle')
    t.ok(log.includes('terminate one 0'), log.join('\n'))
    t.notMatch(log.join(), /start (two|three)|gone/)
  }
})

t.test('--no-recreate only tells', async t => {
  const { supervised, log, end } = supervise({ recreate: false })
  supervised.want(version('one'))
  await settle()
  supervised.want(version('two', { a: 'b' }))
  supervised.want(version('two', { a: 'c' }))
  supervised.want(version('one'))
  await end()
  supervised.want(version('three'))
  t.ok(supervised.idle)
  t.strictSame(log, [
    'start one',
    'it: spec.hostname changed: end podfs and run it again to apply that',
    'update b',
    'update c',
    'it: the file is again what runs',
    'update ',
    'close one',
    'idle',
  ])
})

t.test('one that runs already', async t => {
  await t.test('is what the files say: it runs on', async t => {
    const { supervised, log, adopt, end } = supervise()
    await adopt(version('one'))
    supervised.want(version('one', { colour: 'green' }))
    t.strictSame(log, ['update green'])
    await end()
    t.strictSame(log, ['update green', 'close one', 'idle'])
  })

  await t.test('is another version', async t => {
    const { supervised, log, adopt, end } = supervise()
    await adopt(version('one'))
    supervised.want(version('two'))
    await end()
    t.strictSame(log, [
      'it changed (spec.hostname): restarting it',
      'terminate one',
      'close one',
      'start two',
    ])
  })

  await t.test('is dropped before it has been met', async t => {
    const { supervised, log, adopt, end } = supervise()
    const adopting = adopt(version('one'))
    supervised.drop('is gone')
    await adopting
    await end()
    t.strictSame(log, [
      'it is gone: ending it',
      'terminate one',
      'close one',
      'idle',
    ])
    t.equal(supervised.outcome?.deleted, true)
  })

  await t.test('was on its way out: it starts again', async t => {
    const { log, adopt, end } = supervise()
    await adopt(version('one'), true)
    await end()
    t.strictSame(log, ['close one', 'start one'])
  })
})

t.test('what runs it is gone: as things are it can start again', async t => {
  const { supervised, log, end, lose } = supervise()
  supervised.want(version('one'))
  await settle()
  supervised.want(version('two'))
  await end()
  supervised.want(version('one'))
  await end()
  await lose()
  t.strictSame(log.slice(-4), ['start one', 'close one', 'Error: lost', 'idle'])
  supervised.want(version('one'))
  await settle()
  t.equal(log.at(-1), 'start one')
})

/** As the store gives it out. */
const stored = (hostname: string, resourceVersion: string, more = {}): Pod => {
  const pod = version(hostname)
  return { ...pod, ...more, metadata: { ...pod.metadata, resourceVersion } }
}
const workload = {
  workload: { kind: 'Deployment', name: 'pod', templatePath: 'spec.template' },
}

t.test('deleted by hand: it stays away until its files change', async t => {
  const { supervised, log, end } = supervise()
  supervised.want(stored('one', '1'))
  await settle()
  supervised.delete(5)
  supervised.delete(0)
  await end()
  t.match(supervised.outcome, { deleted: true })
  t.equal(supervised.held, 'deleted')
  supervised.want(stored('one', '1'))
  t.ok(supervised.idle, 'nothing is new')
  supervised.want(stored('one', '2'))
  await settle()
  t.equal(supervised.held, undefined)
  t.strictSame(log, [
    'start one',
    'it was deleted: ending it',
    'terminate one 5',
    'terminate one 0',
    'close one',
    'idle',
    'it has changed: starting it again',
    'start one',
  ])
})

t.test('deleted by hand: the grace period was that one’s', async t => {
  const { supervised, log, end } = supervise()
  supervised.want(stored('one', '1'))
  await settle()
  supervised.delete(5)
  await end()
  supervised.start()
  await settle()
  supervised.drop('is gone')
  t.equal(log.at(-1), 'terminate one')
})

t.test('a Pod of a workload that is deleted comes again', async t => {
  const { supervised, log, end } = supervise()
  supervised.want(stored('one', '1', workload))
  await settle()
  supervised.delete(5)
  supervised.delete(1)
  await end()
  t.strictSame(log, [
    'start one',
    'Deployment default/pod: its Pod was deleted: starting another',
    'terminate one 5',
    'terminate one 1',
    'close one',
    'start one',
  ])
  t.equal(supervised.held, undefined)
  await end()
  supervised.delete()
  t.equal(log.at(-1), 'forgotten', 'not one that has ended')
  t.equal(supervised.held, 'deleted')
})

t.test('one that is being started is deleted, or restarted', async t => {
  for (const act of ['delete', 'restart', 'workload'] as const) {
    const { supervised, log, end, holdStart } = supervise()
    const go = holdStart()
    supervised.want(stored('one', '1', act === 'workload' ? workload : {}))
    if (act === 'restart') supervised.restart()
    else supervised.delete()
    await go()
    t.equal(log.at(-1), 'terminate one', act)
    await end()
    t.equal(supervised.idle, act === 'delete', act)
  }
})

t.test('stopped by hand, until it is started', async t => {
  const { supervised, log, end } = supervise()
  supervised.want(stored('one', '1', workload))
  await settle()
  supervised.hold(3)
  await end()
  supervised.want(stored('two', '2', workload))
  t.ok(supervised.idle, 'whatever its files say')
  t.equal(supervised.held, 'stopped')
  supervised.start()
  await settle()
  supervised.start()
  t.strictSame(log, [
    'start one',
    'Deployment default/pod was stopped: ending it',
    'terminate one 3',
    'close one',
    'idle',
    'start two',
  ])
})

t.test('restarted by hand: running, ended, stopped', async t => {
  const { supervised, log, end } = supervise()
  supervised.want(stored('one', '1'))
  await settle()
  supervised.restart()
  await end()
  await end('Failed')
  t.ok(supervised.idle)
  supervised.restart()
  await settle()
  supervised.hold()
  supervised.restart()
  await end()
  supervised.hold()
  await end()
  supervised.drop('is gone')
  t.equal(supervised.held, undefined)
  t.strictSame(log, [
    'start one',
    'it: restarting it',
    'terminate one',
    'close one',
    'start one',
    'close one',
    'idle',
    'start one',
    'it was stopped: ending it',
    'terminate one',
    'close one',
    'start one',
    'it was stopped: ending it',
    'terminate one',
    'close one',
    'idle',
  ])
})

t.test('what was changed by hand stays until the files change', async t => {
  const { supervised, log } = supervise()
  supervised.want(stored('one', '1'))
  await settle()
  supervised.update(version('one', { by: 'hand' }))
  supervised.want(stored('one', '1'))
  supervised.want(stored('one', '2'))
  t.strictSame(log, ['start one', 'update hand', 'update '])
})
