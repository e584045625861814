import t from 'tap'
import { parseLabelSelector } from '../../src/api/label-selector.ts'
import type { Pod, WorkloadKind } from '../../src/api/types.ts'
import {
  choosePod,
  choosePods,
  choosePodsToRun,
  parsePodReference,
  type PodChoice,
} from '../../src/pods/choose-pods.ts'
import { podName } from '../../src/pods/pod-notices.ts'
import { Store } from '../../src/store/store.ts'
import { Failure } from '../../src/util/failure.ts'
import { makePod } from '../helpers/make-objects.ts'

function podOf(kind: WorkloadKind, workload: string, name: string): Pod {
  return {
    ...makePod({ name, labels: { tier: 'back' } }),
    workload: { kind, name: workload, templatePath: 'spec.template' },
  }
}

const pods = [
  makePod({ name: 'web', labels: { tier: 'front' } }),
  makePod({ name: 'web', namespace: 'other' }),
  podOf('StatefulSet', 'db', 'db-0'),
  podOf('Job', 'migrate', 'migrate'),
  podOf('StatefulSet', 'twin', 'twin-0'),
  podOf('Deployment', 'twin', 'twin-x'),
]

function storeOf(objects: readonly Pod[]): Store {
  const store = new Store()
  store.replace('file', objects)
  return store
}

const named = (...names: string[]): PodChoice => ({ kind: 'named', names })
const selected = (text: string): PodChoice => ({
  kind: 'selected',
  selector: parseLabelSelector(text),
  text,
})

t.test('which Pods are meant', async t => {
  const cases: readonly (readonly [PodChoice, readonly string[]])[] = [
    [named('web'), ['default/web']],
    [named('pod/web'), ['default/web']],
    [named('po/db-0'), ['default/db-0']],
    [named('db'), ['default/db-0']],
    [named('sts/db'), ['default/db-0']],
    [named('StatefulSets.apps/db'), ['default/db-0']],
    [named('jobs.batch/migrate'), ['default/migrate']],
    [named('deploy/twin'), ['default/twin-x']],
    [named('db', 'web', 'pod/web'), ['default/db-0', 'default/web']],
    [selected('tier=front'), ['default/web']],
    [selected('!tier'), ['other/web']],
    [
      { kind: 'all' },
      [
        'default/db-0',
        'default/migrate',
        'default/twin-0',
        'default/twin-x',
        'default/web',
        'other/web',
      ],
    ],
  ]
  const store = storeOf(pods)
  for (const [choice, expected] of cases)
    t.strictSame(
      choosePods(store, 'default', choice).map(podName),
      expected,
      JSON.stringify(choice),
    )
  t.equal(
    podName(choosePod(store, 'other', { kind: 'named', names: ['web'] })),
    'other/web',
  )
  t.throws(() => choosePod(store, 'other', { kind: 'all' }), {
    kind: 'usage',
    message: 'there are 6 such Pods',
    fix: /^name one of them: db-0 \(-n default\), /,
  })
  const [only] = pods
  if (only === undefined) throw new Error('no Pod')
  t.equal(
    podName(choosePod(storeOf([only]), 'x', { kind: 'only' })),
    'default/web',
  )
})

t.test('what is there, when nothing can be meant', async t => {
  const all = 'db-0, migrate, twin-0, twin-x, web, web (-n other)'
  const cases: readonly (readonly [PodChoice, string, string])[] = [
    [
      { kind: 'only' },
      'there are 6 Pods in the input',
      `name one of them: ${all}`,
    ],
    [named('nope'), 'no Pod default/nope', `there are: ${all}`],
    [named('deployment/web'), 'no Deployment default/web', `there are: ${all}`],
    [named('pod/db'), 'no Pod default/db', `there are: ${all}`],
    [
      named('twin'),
      'several workloads are named twin',
      'name one of them: statefulset/twin, deployment/twin',
    ],
    [
      named('service/web'),
      '"service/web" is no Pod\'s name',
      'NAME, or KIND/NAME with a kind that has a Pod, such as deployment/web',
    ],
    [selected('a=b'), "no Pod matches -l 'a=b'", `there are: ${all}`],
  ]
  const store = storeOf(pods)
  for (const [choice, message, fix] of cases)
    t.throws(
      () => choosePods(store, 'default', choice),
      new Failure('usage', message, { fix }),
    )
  t.throws(
    () => choosePods(storeOf([]), 'default', { kind: 'all' }),
    new Failure('usage', 'there is no Pod in the input'),
  )
})

t.test('of many, a CronJob runs when it is named', async t => {
  const store = storeOf([
    ...pods.slice(0, 1),
    podOf('CronJob', 'backup', 'backup-1'),
    podOf('CronJob', 'report', 'report-1'),
  ])
  const cases: readonly (readonly [PodChoice, string[], string[], string[]])[] =
    [
      [{ kind: 'all' }, [], ['web'], ['backup-1', 'report-1']],
      [{ kind: 'all' }, ['cronjob/backup'], ['web', 'backup-1'], ['report-1']],
      [selected('tier=back'), ['cj/report'], ['report-1'], ['backup-1']],
      [named('backup'), [], ['backup-1'], []],
    ]
  const names = (chosen: readonly Pod[]) =>
    chosen.map(({ metadata }) => metadata.name)
  for (const [choice, cronJobs, run, left] of cases) {
    const toRun = choosePodsToRun(store, 'default', choice, cronJobs)
    t.strictSame([names(toRun.pods), names(toRun.leftOut)], [run, left])
  }
  const alone = storeOf([podOf('CronJob', 'backup', 'backup-1')])
  t.strictSame(
    names(choosePodsToRun(alone, 'default', { kind: 'only' }, []).pods),
    ['backup-1'],
    'the only one there is',
  )
  t.throws(
    () => choosePodsToRun(alone, 'default', { kind: 'all' }, []),
    new Failure('usage', 'there are only CronJobs', {
      fix: 'name one of them, to run it at once: cronjob/backup',
    }),
  )
})

t.test('a path is no name', async t => {
  for (const text of ['k8s/web', './web', 'a/b/c', 'deploy/', '/pod/web'])
    t.equal(parsePodReference(text), undefined, text)
  t.strictSame(parsePodReference('Deploy/web'), {
    kind: 'Deployment',
    name: 'web',
  })
})
