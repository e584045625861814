import t from 'tap'
import {
  changedFields,
  restartingFields,
} from '../../src/api/changed-fields.ts'
import type { Pod, WorkloadKind } from '../../src/api/types.ts'
import { makePod, makeProbe } from '../helpers/make-objects.ts'

t.test('names the deepest field in which two specs differ', async t => {
  const before = makePod().spec
  const [container] = before.containers
  if (container === undefined) throw new Error('makePod makes a container')
  t.strictSame(changedFields(before, before), [])
  t.strictSame(changedFields(before, makePod().spec), [])
  t.strictSame(
    changedFields(before, {
      ...before,
      hostNetwork: true,
      containers: [{ ...container, image: 'other' }],
    }),
    ['spec.containers[0].image', 'spec.hostNetwork'],
  )
  t.strictSame(
    changedFields(before, {
      ...before,
      containers: [container, { ...container, name: 'second' }],
    }),
    ['spec.containers'],
  )
  t.strictSame(
    changedFields(before, {
      ...before,
      containers: [
        {
          ...container,
          resources: { limits: new Map([['cpu', '1']]), requests: new Map() },
        },
      ],
    }),
    ['spec.containers[0].resources.limits.cpu'],
  )
  const probe = makeProbe({ exec: { command: ['true'] } })
  t.strictSame(
    changedFields(before, {
      ...before,
      containers: [{ ...container, command: ['sh'], livenessProbe: probe }],
    }),
    ['spec.containers[0].command', 'spec.containers[0].livenessProbe'],
    'a list or a struct where there was nothing',
  )
})

t.test(
  'labels and annotations restart where a controller rolls out',
  async t => {
    const ofKind = (kind: WorkloadKind | undefined, options = {}): Pod => ({
      ...makePod(options),
      ...(kind && {
        workload: { kind, name: 'w', templatePath: 'spec.template' },
      }),
    })
    const changes = {
      labels: { tier: 'new' },
      annotations: { 'checksum/config': '2' },
      spec: { hostNetwork: true },
    }
    const metadata = [
      'spec.template.metadata.labels.tier',
      'spec.template.metadata.annotations.checksum/config',
    ]
    for (const kind of ['Deployment', 'StatefulSet', 'DaemonSet'] as const)
      t.strictSame(restartingFields(ofKind(kind), ofKind(kind, changes)), [
        'spec.template.spec.hostNetwork',
        ...metadata,
      ])
    for (const kind of ['Job', 'ReplicaSet'] as const)
      t.strictSame(restartingFields(ofKind(kind), ofKind(kind, changes)), [
        'spec.template.spec.hostNetwork',
      ])
    t.strictSame(
      restartingFields(ofKind(undefined), ofKind(undefined, changes)),
      ['spec.hostNetwork'],
    )
  },
)

t.test('what may change in place restarts only a workload’s Pod', async t => {
  const before = makePod({ spec: { activeDeadlineSeconds: 5 } })
  const after = makePod({
    spec: {
      activeDeadlineSeconds: 6,
      schedulingGates: [{ name: 'x/y' }],
      tolerations: [{ key: 'k' }],
    },
  })
  t.strictSame(restartingFields(before, after), [])
  const workload = {
    kind: 'Job',
    name: 'w',
    templatePath: 'spec.template',
  } as const
  t.strictSame(
    restartingFields({ ...before, workload }, { ...after, workload }),
    ['activeDeadlineSeconds', 'schedulingGates', 'tolerations'].map(
      field => `spec.template.spec.${field}`,
    ),
  )
})
