import t from 'tap'
import { encodeObject } from '../../src/api/encode/encode-object.ts'
import { part, type JsonObject } from '../../src/api/json.ts'
import type { PodSpec } from '../../src/api/types.ts'
import { changedPod, writtenStatus } from '../../src/server/changed-pod.ts'
import { makePod } from '../helpers/make-objects.ts'

const shownOf = (pod: ReturnType<typeof makePod>): JsonObject => {
  const encoded = encodeObject(pod)
  const metadata = { ...part(encoded, 'metadata'), resourceVersion: '7' }
  return { ...encoded, metadata, status: { phase: 'Running' } }
}
const change = (spec: Partial<PodSpec>, changes: JsonObject) => {
  const running = makePod({ name: 'web', labels: { a: 'b' }, spec })
  const shown = shownOf(running)
  return changedPod(running, shown, {
    ...shown,
    metadata: { ...part(shown, 'metadata'), ...part(changes, 'metadata') },
    spec: { ...part(shown, 'spec'), ...part(changes, 'spec') },
  })
}
const toleration = { key: 'a', operator: 'Exists' }

t.test('labels, annotations, and what may change of a spec', async t => {
  const pod = change(
    { activeDeadlineSeconds: 9, schedulingGates: [{ name: 'x/y' }] },
    {
      metadata: { labels: { c: 'd' }, annotations: { e: 'f' } },
      spec: {
        activeDeadlineSeconds: 5,
        schedulingGates: [],
        tolerations: [toleration],
      },
    },
  )
  t.strictSame(pod.metadata.labels, new Map([['c', 'd']]))
  t.strictSame(pod.metadata.annotations, new Map([['e', 'f']]))
  t.equal(pod.metadata.uid, 'web-uid')
  t.equal(pod.spec.activeDeadlineSeconds, 5)
  t.strictSame(pod.spec.schedulingGates ?? [], [])
  t.match(pod.spec.tolerations, [toleration])
})

t.test('what the API server refuses, in its words', async t => {
  for (const [spec, changes, code, message] of [
    [
      {},
      { spec: { hostname: 'x', restartPolicy: 'Never' } },
      422,
      /^Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than .* but spec\.restartPolicy, spec\.hostname changed; change test\.yaml:1:1 for another Pod$/,
    ],
    [
      { activeDeadlineSeconds: 5 },
      { spec: { activeDeadlineSeconds: 6 } },
      422,
      'Pod "web" is invalid: spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value',
    ],
    [
      { activeDeadlineSeconds: 5 },
      { spec: { activeDeadlineSeconds: null } },
      422,
      /must not update from a positive integer to nil value$/,
    ],
    [
      { tolerations: [toleration] },
      { spec: { tolerations: [] } },
      422,
      /spec\.tolerations: Forbidden: existing toleration can not be modified/,
    ],
    [
      {},
      { spec: { schedulingGates: [{ name: 'x/y' }] } },
      422,
      /only deletion is allowed, but found new scheduling gate 'x\/y'$/,
    ],
    [
      {},
      { metadata: { labels: { 'no label': 'x' } } },
      422,
      /^Pod "web" is invalid: metadata\.labels/,
    ],
    [{}, { spec: { nope: 1 } }, 422, /nope/],
    [{}, { metadata: { name: 'other' } }, 400, /does not match the name/],
    [{}, { metadata: { namespace: 'x' } }, 400, /does not match the namesp/],
    [{}, { metadata: { uid: 'x' } }, 409, /UID in precondition: x/],
    [
      {},
      { metadata: { resourceVersion: '6' } },
      409,
      'Operation cannot be fulfilled on pods "web": the object has been modified; please apply your changes to the latest version and try again',
    ],
  ] as const)
    t.throws(() => change(spec, changes), { code, message })
})

t.test('a status that was written', async t => {
  const pod = makePod({ name: 'web' })
  const shown = shownOf(pod)
  const write = (status: JsonObject) =>
    writtenStatus(pod, shown, { ...shown, status })
  t.strictSame(
    write({
      reason: 'why',
      phase: 'Failed',
      conditions: [
        { type: 'Ready', status: 'False' },
        {
          type: 'x/y',
          status: 'True',
          message: 'm',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
    }),
    {
      conditions: [
        {
          type: 'x/y',
          status: 'True',
          message: 'm',
          lastProbeTime: null,
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
      phase: 'Running',
      reason: 'why',
    },
    'what is the kubelet’s is not taken',
  )
  for (const [condition, message] of [
    [{ status: 'True' }, /status\.conditions\[0\]\.type: Required value$/],
    [
      { type: 'x', status: 'yes' },
      /conditions\[0\]\.status: Unsupported value: "yes": supported values: "True", "False", "Unknown"$/,
    ],
    [
      { type: 'x', status: 'True', lastTransitionTime: 'now' },
      /lastTransitionTime: not a time/,
    ],
  ] as const)
    t.throws(() => write({ conditions: [condition] }), { message })
})
