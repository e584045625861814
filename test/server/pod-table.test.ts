import t from 'tap'
import type { JsonObject } from '../../src/api/json.ts'
import { podTable } from '../../src/server/tables/pods.ts'

/* READY, STATUS and RESTARTS of `kubectl get pods` (docs/kubernetes.md#columns-of-get-pods). */

const now = Date.UTC(2026, 0, 1, 0, 1)

function status(name: string, extra: JsonObject): JsonObject {
  return { name, restartCount: 0, ready: false, lastState: {}, ...extra }
}

const running = { state: { running: { startedAt: '2026-01-01T00:00:00Z' } } }
const ready = { ...running, ready: true, started: true }
const waiting = (reason: string) => ({ state: { waiting: { reason } } })
const ended = (exitCode: number, reason: string) => ({
  state: { terminated: { exitCode, reason } },
})
const restarted = (restartCount: number, finishedAt: string) => ({
  restartCount,
  lastState: { terminated: { exitCode: 1, finishedAt } },
})
const condition = (type: string) => ({ type, status: 'True' })

const rows: readonly {
  readonly name: string
  readonly metadata?: JsonObject
  readonly init?: readonly JsonObject[]
  readonly containers?: readonly string[]
  readonly status: JsonObject
  readonly cells: readonly [string, string, string]
}[] = [
  {
    name: 'runs',
    status: {
      phase: 'Running',
      containerStatuses: [status('a', ready), status('b', running)],
    },
    containers: ['a', 'b'],
    cells: ['1/2', 'Running', '0'],
  },
  {
    name: 'has no status of containers',
    status: { phase: 'Pending', reason: 'NotRun' },
    cells: ['0/1', 'NotRun', '0'],
  },
  {
    name: 'initializes, second of two',
    init: [{ name: 'i' }, { name: 'j' }],
    status: {
      phase: 'Pending',
      initContainerStatuses: [
        status('i', ended(0, 'Completed')),
        status('j', running),
      ],
      containerStatuses: [status('a', waiting('PodInitializing'))],
    },
    cells: ['0/1', 'Init:1/2', '0'],
  },
  {
    name: 'an init container fails, restarts counted while it does',
    init: [{ name: 'i' }],
    status: {
      phase: 'Pending',
      initContainerStatuses: [
        status('i', {
          ...waiting('CrashLoopBackOff'),
          ...restarted(2, '2026-01-01T00:00:46Z'),
        }),
      ],
      containerStatuses: [status('a', waiting('PodInitializing'))],
    },
    cells: ['0/1', 'Init:CrashLoopBackOff', '2 (14s ago)'],
  },
  {
    name: 'an init container has failed',
    init: [{ name: 'i' }],
    status: {
      phase: 'Failed',
      initContainerStatuses: [status('i', ended(1, 'Error'))],
      containerStatuses: [status('a', waiting('PodInitializing'))],
    },
    cells: ['0/1', 'Init:Error', '0'],
  },
  {
    name: 'restarts of an init container no longer count, those of a sidecar do',
    init: [{ name: 'i' }, { name: 's', restartPolicy: 'Always' }],
    status: {
      phase: 'Running',
      conditions: [condition('Initialized')],
      initContainerStatuses: [
        status('i', {
          ...ended(0, 'Completed'),
          ...restarted(3, '2026-01-01T00:00:01Z'),
        }),
        status('s', { ...ready, ...restarted(1, '2026-01-01T00:00:30Z') }),
      ],
      containerStatuses: [status('a', ready)],
    },
    cells: ['2/2', 'Running', '1 (30s ago)'],
  },
  {
    name: 'a sidecar fails while the containers run',
    init: [{ name: 's', restartPolicy: 'Always' }],
    status: {
      phase: 'Running',
      initContainerStatuses: [
        status('s', { ...waiting('CrashLoopBackOff'), started: false }),
      ],
      containerStatuses: [status('a', ready)],
    },
    cells: ['0/2', 'Init:CrashLoopBackOff', '0'],
  },
  {
    name: 'the first container has the last word',
    containers: ['a', 'b'],
    status: {
      phase: 'Running',
      containerStatuses: [
        status('a', waiting('CrashLoopBackOff')),
        status('b', ended(0, 'Completed')),
      ],
    },
    cells: ['0/2', 'CrashLoopBackOff', '0'],
  },
  {
    name: 'one is done, the other runs, Pod not Ready',
    containers: ['a', 'b'],
    status: {
      phase: 'Running',
      containerStatuses: [
        status('a', ended(0, 'Completed')),
        status('b', ready),
      ],
    },
    cells: ['1/2', 'NotReady', '0'],
  },
  {
    name: 'one is done, the other runs, Pod Ready',
    containers: ['a', 'b'],
    status: {
      phase: 'Running',
      conditions: [condition('Ready')],
      containerStatuses: [
        status('a', ended(0, 'Completed')),
        status('b', ready),
      ],
    },
    cells: ['1/2', 'Running', '0'],
  },
  {
    name: 'is done',
    status: {
      phase: 'Succeeded',
      containerStatuses: [status('a', ended(0, 'Completed'))],
    },
    cells: ['0/1', 'Completed', '0'],
  },
  {
    name: 'a container without a reason',
    status: {
      phase: 'Failed',
      containerStatuses: [status('a', ended(7, ''))],
    },
    cells: ['0/1', 'ExitCode:7', '0'],
  },
  {
    name: 'DeadlineExceeded shows the reason of the container',
    status: {
      phase: 'Failed',
      reason: 'DeadlineExceeded',
      containerStatuses: [status('a', ended(137, 'Error'))],
    },
    cells: ['0/1', 'Error', '0'],
  },
  {
    name: 'goes',
    metadata: { deletionTimestamp: '2026-01-01T00:01:30Z' },
    status: { phase: 'Running', containerStatuses: [status('a', ready)] },
    cells: ['1/1', 'Terminating', '0'],
  },
  {
    name: 'has gone',
    metadata: { deletionTimestamp: '2026-01-01T00:01:30Z' },
    status: {
      phase: 'Failed',
      containerStatuses: [status('a', ended(143, 'Error'))],
    },
    cells: ['0/1', 'Error', '0'],
  },
]

for (const { name, metadata, init = [], containers = ['a'], ...row } of rows)
  t.test(`a Pod that ${name}`, async t => {
    const pod = {
      metadata: {
        name: 'web',
        creationTimestamp: '2026-01-01T00:00:00Z',
        ...metadata,
      },
      spec: {
        initContainers: init,
        containers: containers.map(name => ({ name })),
      },
      status: row.status,
    }
    t.strictSame(podTable.cells(pod, now).slice(0, 5), [
      'web',
      ...row.cells,
      '60s',
    ])
  })
