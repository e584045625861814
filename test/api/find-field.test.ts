import t from 'tap'
import {
  defaultWords,
  enumOf,
  typeWords,
} from '../../src/api/schema/describe-field.ts'
import { findField } from '../../src/api/schema/find-field.ts'

const node = 'there is one node, this machine'
const unknown =
  'neither a kind that podfs knows (Pod, Secret, ConfigMap, ServiceAccount, ClusterTrustBundle, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job, CronJob) nor a field of one'

t.test('a field by its path, as `podfs explain` takes it', async t => {
  const rows: readonly (readonly [
    text: string,
    path: string,
    type: string,
    owner: string | undefined,
    treatment: string,
    reason?: string,
  ])[] = [
    ['pod', 'pod', 'Pod', undefined, 'supported'],
    ['Pods', 'pod', 'Pod', undefined, 'supported'],
    ['po', 'pod', 'Pod', undefined, 'supported'],
    ['rs', 'replicaset', 'ReplicaSet', undefined, 'supported'],
    ['ds', 'daemonset', 'DaemonSet', undefined, 'supported'],
    [
      'rc',
      'replicationcontroller',
      'ReplicationController',
      undefined,
      'supported',
    ],
    ['cj.spec', 'cronjob.spec', 'CronJobSpec', 'CronJob', 'supported'],
    ['.pod..spec.', 'pod.spec', 'PodSpec', 'Pod', 'supported'],
    [
      'POD.spec.containers[10].env[].name',
      'pod.spec.containers.env.name',
      'string',
      'EnvVar',
      'supported',
    ],
    [
      'cm.data.key.of.mine',
      'configmap.data',
      'map of string to string',
      'ConfigMap',
      'supported',
    ],
    [
      'stringData.a',
      'secret.stringData',
      'map of string to string',
      'Secret',
      'supported',
    ],
    [
      'pod.spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution',
      'pod.spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution',
      'list of PodAffinityTerm',
      'PodAffinity',
      'ignored',
      node,
    ],
    [
      'pod.spec.priority',
      'pod.spec.priority',
      'int32',
      'PodSpec',
      'ignored',
      node,
    ],
  ]
  for (const [text, path, type, owner, treatment, reason] of rows) {
    const found = findField(text)
    if ('message' in found) throw new Error(found.message)
    t.strictSame(
      [
        found.path,
        typeWords(found.field.type),
        found.owner?.name,
        found.treatment,
        found.reason,
        'reason' in found,
      ],
      [path, type, owner, treatment, reason, reason !== undefined],
      text,
    )
  }
})

t.test('what is not there, and what was probably meant', async t => {
  const rows: readonly (readonly [
    text: string,
    message: string,
    meant?: string,
  ])[] = [
    ['spec.x', 'spec.x: a field of Pod and ClusterTrustBundle', 'pod.spec.x'],
    [
      'livenessProbe.exec',
      `livenessProbe.exec: ${unknown}`,
      'pod.spec.containers.livenessProbe.exec',
    ],
    [
      'targetContainerName',
      `targetContainerName: ${unknown}`,
      'pod.spec.ephemeralContainers.targetContainerName',
    ],
    ['pdo.spec', `pdo.spec: ${unknown}`, 'pod.spec'],
    ['zzzzzzzz', `zzzzzzzz: ${unknown}`],
    ['toString', `toString: ${unknown}`],
    [
      'pod.spec.contaners.image',
      'pod.spec: PodSpec has no field "contaners"',
      'pod.spec.containers.image',
    ],
    ['pod.spec.zzzzzzzz', 'pod.spec: PodSpec has no field "zzzzzzzz"'],
    ['pod.spec.constructor', 'pod.spec: PodSpec has no field "constructor"'],
    [
      'pod.spec.nodeName.x',
      'pod.spec.nodeName has no fields',
      'pod.spec.nodeName',
    ],
  ]
  for (const [text, message, meant] of rows)
    t.strictSame(
      findField(text),
      { message, ...(meant !== undefined && { meant }) },
      text,
    )
})

t.test('a type, its values and what an absent field means', async t => {
  const fieldAt = (path: string) => {
    const found = findField(path)
    if ('message' in found) throw new Error(found.message)
    return found
  }
  const rows = [
    ['pod.spec.restartPolicy', 'string', 'Always', 'Always,OnFailure,Never'],
    ['pod.spec.hostNetwork', 'boolean', 'false', undefined],
    ['pod.spec.hostname', 'string', undefined, undefined],
    ['pod.spec.volumes', 'list of Volume', undefined, undefined],
    ['pod.spec.containers.command', 'list of string', undefined, undefined],
    ['pod.status', 'anything', undefined, undefined],
    ['pod.spec.terminationGracePeriodSeconds', 'int64', '30', undefined],
    ['pod.spec.volumes.secret.defaultMode', 'int32', '0644 (420)', undefined],
    ['pod.spec.os.name', 'string', undefined, undefined],
  ] as const
  for (const [path, type, absent, values] of rows) {
    const { name = '', field } = fieldAt(path)
    t.strictSame(
      [
        typeWords(field.type),
        defaultWords(name, field),
        enumOf(field.type)?.join(),
      ],
      [type, absent, values],
      path,
    )
  }
  t.strictSame(enumOf({ list: { enum: ['A', 'B'] } }), ['A', 'B'])
})
