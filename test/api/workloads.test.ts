import t from 'tap'
import { formatFinding } from '../../src/api/report.ts'
import type { Pod } from '../../src/api/types.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'

/*
 * Workloads as their Pod. The reader is there for the places of findings in the file.
 */

const read = (text: string) =>
  readManifest(text, 'f.yaml', { namespace: 'default' })

const linesOf = (text: string, treatment: string) =>
  read(text)
    .findings.filter(finding => finding.treatment === treatment)
    .map(formatFinding)

function podOf(text: string): Pod {
  const { objects, findings } = read(text)
  const [pod] = objects
  if (pod?.kind !== 'Pod')
    throw new Error(`no Pod: ${findings.map(formatFinding).join('\n')}`)
  return pod
}

const containers = 'containers: [{name: c, image: busybox}]'

interface Parts {
  readonly metadata?: string
  readonly spec?: string
  readonly labels?: string
  readonly pod?: string
}

const workload = (
  kind: string,
  apiVersion: string,
  { metadata = 'name: web', spec = '', labels = 'app: web', pod = '' }: Parts,
) => `apiVersion: ${apiVersion}
kind: ${kind}
metadata: {${metadata}}
spec:
  ${spec}
  template:
    metadata:
      labels: {${labels}}
    spec:
      ${pod}
      ${containers}
`
const selector = 'selector: {matchLabels: {app: web}}'
const deployment = (parts: Parts = {}) =>
  workload('Deployment', 'apps/v1', { spec: selector, ...parts })
const statefulSet = (parts: Parts = {}) =>
  workload('StatefulSet', 'apps/v1', { spec: selector, ...parts })
const job = (parts: Parts = {}) =>
  workload('Job', 'batch/v1', { pod: 'restartPolicy: Never', ...parts })
const cronJob = (spec: string, name = 'tick') => `apiVersion: batch/v1
kind: CronJob
metadata: {name: ${name}}
spec:
  ${spec}
  jobTemplate:
    spec:
      activeDeadlineSeconds: 60
      template:
        spec:
          restartPolicy: OnFailure
          ${containers}
`

t.test('a Pod of each kind, with its name and labels', async t => {
  const cases = [
    [deployment(), 'web', { app: 'web' }],
    [
      workload('DaemonSet', 'apps/v1', { spec: selector }),
      'web',
      { app: 'web' },
    ],
    [
      workload('ReplicaSet', 'apps/v1', { spec: selector }),
      'web',
      { app: 'web' },
    ],
    [
      workload('ReplicationController', 'v1', { spec: 'selector: {app: web}' }),
      'web',
      { app: 'web' },
    ],
    [workload('ReplicationController', 'v1', {}), 'web', { app: 'web' }],
    [
      statefulSet(),
      'web-0',
      {
        app: 'web',
        'statefulset.kubernetes.io/pod-name': 'web-0',
        'apps.kubernetes.io/pod-index': '0',
      },
    ],
    [
      statefulSet({ spec: `${selector}\n  ordinals: {start: 3}` }),
      'web-3',
      {
        app: 'web',
        'statefulset.kubernetes.io/pod-name': 'web-3',
        'apps.kubernetes.io/pod-index': '3',
      },
    ],
    [
      job({ metadata: 'name: web, uid: u-1' }),
      'web',
      {
        app: 'web',
        'job-name': 'web',
        'batch.kubernetes.io/job-name': 'web',
        'controller-uid': 'u-1',
        'batch.kubernetes.io/controller-uid': 'u-1',
      },
    ],
    [
      job({ spec: `manualSelector: true\n  ${selector}` }),
      'web',
      { app: 'web' },
    ],
  ] as const
  for (const [text, name, labels] of cases) {
    const { metadata, workload } = podOf(text)
    t.equal(metadata.name, name)
    t.equal(metadata.uid, '', 'the store gives one')
    t.equal(workload?.name, 'web')
    t.strictSame(Object.fromEntries(metadata.labels), labels)
  }
})

t.test("a Job's uid stays the same", async t => {
  const uid = (text: string) =>
    podOf(text).metadata.labels.get('controller-uid')
  t.match(uid(job()), /^[0-9a-f]{8}-[0-9a-f]{4}-8/)
  t.equal(uid(job()), uid(job()))
  t.not(uid(job()), uid(job({ metadata: 'name: web, namespace: other' })))
})

t.test('a StatefulSet gives its Pod a hostname and its Service', async t => {
  const { spec } = podOf(
    statefulSet({
      spec: `${selector}\n  serviceName: nginx`,
      pod: 'hostname: other\n      subdomain: other',
    }),
  )
  t.equal(spec.hostname, 'web-0')
  t.equal(spec.subdomain, 'nginx')
  const without = podOf(statefulSet({ pod: 'subdomain: other' })).spec
  t.equal(without.subdomain, undefined)
})

t.test(
  'a claim is named after the Pod, and takes the place of a volume',
  async t => {
    const text = statefulSet({
      spec: `${selector}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {resources: {requests: {storage: 1Gi}}}
  - metadata: {name: logs}`,
      pod: 'volumes: [{name: first, emptyDir: {}}, {name: data, configMap: {name: x}}]',
    })
    t.strictSame(podOf(text).spec.volumes, [
      { name: 'first', emptyDir: { medium: '' } },
      {
        name: 'data',
        persistentVolumeClaim: { claimName: 'data-web-0', readOnly: false },
      },
      {
        name: 'logs',
        persistentVolumeClaim: { claimName: 'logs-web-0', readOnly: false },
      },
    ])
    t.strictSame(linesOf(text, 'emulated').slice(1, 3), [
      'f.yaml:7:5: StatefulSet default/web: spec.volumeClaimTemplates[0]: emulated: nothing is claimed; volume "data" is a directory that is kept, /var/lib/podfs/claims/default/data-web-0',
      'f.yaml:9:5: StatefulSet default/web: spec.volumeClaimTemplates[1]: emulated: nothing is claimed; volume "logs" is a directory that is kept, /var/lib/podfs/claims/default/logs-web-0',
    ])
  },
)

t.test('what a Job says of its Pod', async t => {
  const pod = 'restartPolicy: Never\n      activeDeadlineSeconds: 5'
  const both = podOf(job({ spec: 'activeDeadlineSeconds: 3', pod }))
  t.equal(both.spec.activeDeadlineSeconds, 5, "the Pod's own")
  t.match(both.workload?.job, {
    activeDeadlineSeconds: 3,
    completions: 1,
    backoffLimit: 6,
    suspend: false,
  })
  const indexed = 'completionMode: Indexed\n  completions: 4'
  t.match(
    podOf(job({ spec: `${indexed}\n  backoffLimitPerIndex: 1` })).workload?.job,
    { isIndexed: true, completions: 4, backoffLimit: 2 ** 31 },
  )

  const { metadata, spec } = podOf(
    job({ spec: 'completionMode: Indexed\n  completions: 4' }),
  )
  t.equal(spec.hostname, 'web-0')
  const index = 'batch.kubernetes.io/job-completion-index'
  t.equal(metadata.annotations.get(index), '0')
  t.equal(metadata.labels.get(index), '0')
  const variable = {
    name: 'JOB_COMPLETION_INDEX',
    valueFrom: { fieldRef: { fieldPath: `metadata.labels['${index}']` } },
  }
  t.strictSame(spec.containers[0]?.env, [variable])
  const env = [
    { name: 'A', value: 'a' },
    { name: 'JOB_COMPLETION_INDEX', value: '7' },
  ]
  const envOf = (env: readonly object[]) =>
    podOf(
      job({ spec: 'completionMode: Indexed\n  completions: 4' }).replace(
        containers,
        `containers: [{name: c, image: busybox, env: ${JSON.stringify(env)}}]`,
      ),
    ).spec.containers[0]?.env
  t.strictSame(envOf(env), env, 'its own stays')
  t.strictSame(envOf(env.slice(0, 1)), [env[0], variable])
})

t.test('a podFailurePolicy, and what it needs', async t => {
  const policy = (rule: string) => `podFailurePolicy: {rules: [${rule}]}`
  const findings = (parts: Parts) => linesOf(job(parts), 'rejected')
  const codes = 'onExitCodes: {operator: In, values: [42]}'
  const rule = `{action: FailJob, ${codes}}`
  t.strictSame(findings({ spec: policy(rule) }), [])
  t.match(podOf(job({ spec: policy(rule) })).workload?.job?.failureRules, [
    { action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } },
  ])
  const path = 'Job default/web: spec.podFailurePolicy.rules[0]'
  for (const [parts, message] of [
    [
      { spec: policy(rule), pod: 'restartPolicy: OnFailure' },
      'Job default/web: spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified',
    ],
    [
      { spec: policy(`{action: FailIndex, ${codes}}`) },
      `${path}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`,
    ],
    [
      { spec: policy('{action: Count}') },
      `${path}.onExitCodes: Invalid value: null: specifying one of OnExitCodes and OnPodConditions is required`,
    ],
    [
      { spec: policy(rule.replace('[42]', '[0]')) },
      `${path}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator`,
    ],
    [
      { spec: policy(rule.replace('operator', 'containerName: x, operator')) },
      `${path}.onExitCodes.containerName: Invalid value: "x": must be one of the container or initContainer names in the pod template`,
    ],
    [
      { spec: 'completionMode: Indexed' },
      'Job default/web: spec.completions: Required value: when completion mode is Indexed',
    ],
    [
      { spec: 'backoffLimitPerIndex: 1' },
      'Job default/web: spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
    ],
  ] as const)
    t.ok(
      findings(parts).some(line => line.endsWith(message)),
      message,
    )
})

t.test('a CronJob is its Job', async t => {
  const { metadata, spec, workload } = podOf(cronJob('schedule: "*/5 * * * *"'))
  t.equal(metadata.name, 'tick')
  t.equal(metadata.labels.get('job-name'), 'tick')
  t.equal(spec.activeDeadlineSeconds, undefined)
  t.equal(workload?.job?.activeDeadlineSeconds, 60)
})

t.test('says what it does with a workload, and with its fields', async t => {
  t.strictSame(
    linesOf(deployment({ spec: `${selector}\n  replicas: 3` }), 'emulated'),
    [
      'f.yaml:1:1: Deployment default/web: emulated: podfs runs one Pod of it, web',
      'f.yaml:6:3: Deployment default/web: spec.replicas: emulated: podfs runs one Pod of it, until podfs scale',
      'f.yaml:12:30: Deployment default/web: spec.template.spec.containers[0].image: emulated: podfs pulls no image; it runs a program of this machine in its place',
    ],
  )
  const every = cronJob(`schedule: "@daily"
  timeZone: Etc/UTC
  suspend: true
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 9
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 1`)
  t.strictSame(linesOf(every, 'rejected'), [])
  // The others do what they say.
  t.strictSame(
    read(every).findings.map(({ fieldPath }) => fieldPath),
    [
      undefined,
      'spec.concurrencyPolicy',
      'spec.successfulJobsHistoryLimit',
      'spec.failedJobsHistoryLimit',
      'spec.jobTemplate.spec.template.spec.containers[0].image',
    ],
  )
})

t.test('mistakes, in the words of the API server', async t => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    [
      deployment({ labels: 'app: api' }),
      [
        'f.yaml:8:7: Deployment default/web: spec.template.metadata.labels: Invalid value: {"app":"api"}: `selector` does not match template `labels`',
      ],
    ],
    [
      deployment({ spec: 'replicas: 1' }),
      ['f.yaml:4:1: Deployment default/web: spec.selector: Required value'],
    ],
    [
      deployment({ spec: 'selector: {}' }),
      [
        'f.yaml:5:3: Deployment default/web: spec.selector: Invalid value: {}: empty selector is invalid for deployment',
      ],
    ],
    [
      deployment({
        spec: 'selector: {matchExpressions: [{key: app, operator: In}, {key: app, operator: Is, values: [a]}]}',
      }),
      [
        "f.yaml:5:33: Deployment default/web: spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        'f.yaml:5:70: Deployment default/web: spec.selector.matchExpressions[1].operator: Invalid value: "Is": not a valid selector operator',
      ],
    ],
    [
      deployment({
        pod: 'restartPolicy: Never\n      activeDeadlineSeconds: 5',
      }),
      [
        'f.yaml:10:7: Deployment default/web: spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        'f.yaml:11:7: Deployment default/web: spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported',
      ],
    ],
    [
      job({ pod: '' }),
      [
        'f.yaml:9:5: Job default/web: spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
      ],
    ],
    [
      job({ spec: 'backoffLimit: -1' }),
      [
        'f.yaml:5:3: Job default/web: spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0',
      ],
    ],
    [
      statefulSet({ spec: `${selector}\n  serviceName: A` }),
      [
        `f.yaml:6:3: StatefulSet default/web: spec.serviceName: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`,
      ],
    ],
    [
      cronJob('schedule: "* * * *"'),
      [
        'f.yaml:5:3: CronJob default/tick: spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]',
      ],
    ],
    [
      cronJob('schedule: "0 0 * * *"', 'x'.repeat(53)),
      [
        `f.yaml:3:12: CronJob default/${'x'.repeat(53)}: metadata.name: Invalid value: "${'x'.repeat(53)}": must be no more than 52 characters`,
      ],
    ],
    [
      cronJob('suspend: true').replace('OnFailure', 'Always'),
      [
        'f.yaml:4:1: CronJob default/tick: spec.schedule: Required value',
        'f.yaml:11:11: CronJob default/tick: spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
      ],
    ],
    [
      deployment({ pod: 'volumes: [{name: v, secret: {}}]\n      hots: x' }),
      [
        'f.yaml:10:27: Deployment default/web: spec.template.spec.volumes[0].secret.secretName: Required value',
        'f.yaml:11:7: Deployment default/web: spec.template.spec.hots: unknown field "spec.template.spec.hots"',
      ],
    ],
    [
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n',
      ['f.yaml:1:1: Deployment default/web: spec: Required value'],
    ],
    [
      'apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: web}\n',
      [
        'f.yaml:1:1: Deployment default/web: apiVersion: no matches for kind "Deployment" in version "extensions/v1beta1"',
      ],
    ],
    [
      'apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: web}\n',
      [
        'f.yaml:1:1: CronJob default/web: apiVersion: no matches for kind "CronJob" in version "batch/v1beta1"',
      ],
    ],
  ]
  for (const [text, lines] of cases)
    t.strictSame(linesOf(text, 'rejected'), lines)
  const [finding] = read(
    'apiVersion: apps/v1beta2\nkind: StatefulSet\n',
  ).findings
  t.equal(finding?.fix, 'apiVersion: apps/v1')
})

t.test('a kind of the same name in another group is ignored', async t => {
  for (const head of [
    'apiVersion: batch.volcano.sh/v1alpha1\nkind: Job',
    'apiVersion: secrets.example.com/v1\nkind: Secret',
    'apiVersion: networking.k8s.io/v1\nkind: Ingress',
  ]) {
    const { objects, findings } = read(`${head}\nmetadata: {name: x}\n`)
    t.strictSame(
      objects.map(({ kind }) => kind),
      [],
    )
    t.strictSame(
      findings.map(({ treatment }) => treatment),
      ['ignored'],
      head,
    )
  }
})

t.test("the Pod's fields lie in the template", async t => {
  const { source } = podOf(deployment())
  t.match(source.positionOf('spec.containers[0].name'), {
    line: 11,
    column: 21,
  })
  t.match(source.positionOf('metadata.labels'), { line: 8 })
  t.match(source.positionOf('metadata.name'), { line: 3 })
})
