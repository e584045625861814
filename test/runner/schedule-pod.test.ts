import t from 'tap'
import type { NodeInfo, PodSpec } from '../../src/api/types.ts'
import { schedulePod } from '../../src/runner/lifecycle/schedule-pod.ts'
import { makeContainer, makeNode, makePod } from '../helpers/make-objects.ts'

const labels = new Map([
  ['kubernetes.io/hostname', 'node'],
  ['zone', 'a'],
  ['cores', '8'],
])
const taint = (effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute') => ({
  taints: [{ key: 'only', value: 'gpu', effect }],
})
const terms = (
  ...nodeSelectorTerms: NonNullable<
    NonNullable<
      NonNullable<PodSpec['affinity']>['nodeAffinity']
    >['requiredDuringSchedulingIgnoredDuringExecution']
  >['nodeSelectorTerms'] & {}
): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
    },
  },
})
const label = (key: string, operator: string, ...values: string[]) => ({
  matchExpressions: [{ key, operator, values }],
})
const named = (operator: string, ...values: string[]) => ({
  matchFields: [{ key: 'metadata.name', operator, values }],
})
const asks = (
  requests: Readonly<Record<string, string>>,
  limits: Readonly<Record<string, string>> = {},
  more: Parameters<typeof makeContainer>[0] = {},
) =>
  makeContainer({
    resources: {
      requests: new Map(Object.entries(requests)),
      limits: new Map(Object.entries(limits)),
    },
    ...more,
  })

const notSelected = "1 node(s) didn't match Pod's node affinity/selector"
const notNamed = "1 node(s) didn't satisfy plugin(s) [NodeAffinity]"
const notTolerated = '1 node(s) had untolerated taint {only: gpu}'

/** What stands between the fixed words; undefined: it is scheduled. */
const rows: readonly {
  readonly what: string
  readonly spec: Partial<PodSpec>
  readonly node?: Partial<NodeInfo>
  readonly why?: string
}[] = [
  { what: 'nothing asked', spec: {} },
  { what: 'a label', spec: { nodeSelector: new Map([['zone', 'a']]) } },
  {
    what: 'a label that it does not have',
    spec: { nodeSelector: new Map([['a', 'b']]) },
    why: notSelected,
  },
  {
    what: 'one of the terms',
    spec: terms(label('zone', 'In', 'b'), label('zone', 'NotIn', 'b')),
  },
  {
    what: 'all of a term',
    spec: terms({
      matchExpressions: [
        { key: 'zone', operator: 'Exists' },
        { key: 'disk', operator: 'Exists' },
      ],
    }),
    why: notSelected,
  },
  { what: 'more than', spec: terms(label('cores', 'Gt', '4')) },
  {
    what: 'less than',
    spec: terms(label('cores', 'Lt', '4')),
    why: notSelected,
  },
  { what: 'a term that asks for nothing', spec: terms({}), why: notSelected },
  { what: 'its name', spec: terms(named('In', 'node')) },
  { what: 'another name', spec: terms(named('In', 'other')), why: notNamed },
  {
    what: 'another name, or a label',
    spec: terms(named('In', 'other'), label('zone', 'In', 'a')),
  },
  {
    what: 'not its name',
    spec: terms(named('NotIn', 'node')),
    why: notSelected,
  },
  {
    what: 'two names at once',
    spec: terms({
      matchFields: [
        { key: 'metadata.name', operator: 'In', values: ['node'] },
        { key: 'metadata.name', operator: 'In', values: ['other'] },
      ],
    }),
    why: 'pod affinity terms conflict',
  },
  { what: 'a taint', spec: {}, node: taint('NoSchedule'), why: notTolerated },
  {
    what: 'a taint that evicts',
    spec: {},
    node: taint('NoExecute'),
    why: notTolerated,
  },
  {
    what: 'a taint that only prefers',
    spec: {},
    node: taint('PreferNoSchedule'),
  },
  {
    what: 'a taint before a label',
    spec: { nodeSelector: new Map([['a', 'b']]) },
    node: taint('NoSchedule'),
    why: notTolerated,
  },
  ...(
    [
      [{ key: 'only', value: 'gpu' }, true],
      [{ key: 'only', operator: 'Equal', value: 'cpu' }, false],
      [{ key: 'only', operator: 'Exists', effect: 'NoSchedule' }, true],
      [{ key: 'only', operator: 'Exists', effect: 'NoExecute' }, false],
      [{ key: 'other', operator: 'Exists' }, false],
      [{ operator: 'Exists' }, true],
    ] as const
  ).map(([toleration, tolerates]) => ({
    what: `tolerated: ${JSON.stringify(toleration)}`,
    spec: { tolerations: [toleration] },
    node: taint('NoSchedule'),
    ...(tolerates ? {} : { why: notTolerated }),
  })),
  {
    what: 'a taint that each Pod tolerates',
    spec: {},
    node: {
      taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }],
    },
  },
  {
    what: 'as much as there is',
    spec: { containers: [asks({ cpu: '4', memory: '8Gi' })] },
  },
  {
    what: 'more than there is',
    spec: {
      containers: [
        asks({ memory: '5Gi' }),
        asks({ cpu: '4001m', memory: '5Gi' }),
      ],
    },
    why: '1 Insufficient cpu, 1 Insufficient memory',
  },
  {
    what: 'a limit without a request',
    spec: { containers: [asks({}, { cpu: '5' })] },
    why: '1 Insufficient cpu',
  },
  {
    what: 'a resource that it does not have',
    spec: { containers: [asks({ 'nvidia.com/gpu': '1' })] },
    why: '1 Insufficient nvidia.com/gpu',
  },
  {
    what: 'init containers one after the other',
    spec: { initContainers: [asks({ cpu: '3' }), asks({ cpu: '4' })] },
  },
  {
    what: 'an init container beside a sidecar',
    spec: {
      initContainers: [
        asks({ cpu: '2' }, {}, { restartPolicy: 'Always' }),
        asks({ cpu: '3' }),
      ],
    },
    why: '1 Insufficient cpu',
  },
  {
    what: 'a sidecar beside the containers',
    spec: {
      initContainers: [asks({ cpu: '2' }, {}, { restartPolicy: 'Always' })],
      containers: [asks({ cpu: '3' })],
    },
    why: '1 Insufficient cpu',
  },
]

for (const { what, spec, node, why } of rows)
  t.test(what, async t => {
    const expected =
      why === undefined
        ? undefined
        : {
            reason: 'Unschedulable',
            message: `0/1 nodes are available: ${why}. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.`,
          }
    t.same(
      schedulePod(makePod({ spec }), makeNode({ labels, ...node })),
      expected,
    )
  })

t.test('gates come before all else', async t => {
  const spec = {
    schedulingGates: [{ name: 'example.com/g' }],
    nodeSelector: new Map([['a', 'b']]),
  }
  t.same(schedulePod(makePod({ spec }), makeNode()), {
    reason: 'SchedulingGated',
    message: 'Scheduling is blocked due to non-empty scheduling gates',
  })
  const without = makePod({ spec: { schedulingGates: [] } })
  t.equal(schedulePod(without, makeNode()), undefined)
})
