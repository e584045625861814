import {
  ignored,
  listOf,
  one,
  stringMap,
  strings,
  struct,
  supported,
} from './struct.ts'

/**
 * The selectors by which one object names another, and small structs of several users.
 * `supported` inside a struct means: as its user treats the whole struct.
 */

/** `name` of an object in the same namespace, one key of it. */
export const keySelector = (kind: 'ConfigMap' | 'Secret') =>
  struct(`${kind}KeySelector`, {
    name: supported('string', { default: '', required: 'elsewhere' }),
    key: supported('string', { required: true }),
    optional: supported('boolean', { default: false }),
  })

export const envSource = (kind: 'ConfigMap' | 'Secret') =>
  struct(`${kind}EnvSource`, {
    name: supported('string', { required: true }),
    optional: supported('boolean', { default: false }),
  })

export const objectFieldSelector = struct('ObjectFieldSelector', {
  apiVersion: supported('string', { reason: 'only v1 exists', default: 'v1' }),
  fieldPath: supported('string', { required: 'elsewhere' }),
})

export const resourceFieldSelector = struct('ResourceFieldSelector', {
  containerName: supported('string'),
  resource: supported('string', { required: 'elsewhere' }),
  divisor: supported('quantity'),
})

export const localObjectReference = struct('LocalObjectReference', {
  name: supported('string'),
})

export const labelSelector = struct('LabelSelector', {
  matchLabels: supported(stringMap),
  matchExpressions: supported(
    listOf(
      struct('LabelSelectorRequirement', {
        key: supported('string'),
        operator: supported('string'),
        values: supported(strings),
      }),
    ),
  ),
})

const nodeSelectorRequirement = struct('NodeSelectorRequirement', {
  key: supported('string'),
  operator: supported('string'),
  values: supported(strings),
})

const nodeSelectorTerm = struct('NodeSelectorTerm', {
  matchExpressions: supported(listOf(nodeSelectorRequirement)),
  matchFields: supported(listOf(nodeSelectorRequirement)),
})

const podAffinityTerm = struct('PodAffinityTerm', {
  labelSelector: supported(one(labelSelector)),
  namespaces: supported(strings),
  topologyKey: supported('string'),
  namespaceSelector: supported(one(labelSelector)),
  matchLabelKeys: supported(strings),
  mismatchLabelKeys: supported(strings),
})

const weightedPodAffinityTerm = struct('WeightedPodAffinityTerm', {
  weight: supported('int32'),
  podAffinityTerm: supported(one(podAffinityTerm)),
})

const podAffinity = (name: 'PodAffinity' | 'PodAntiAffinity') =>
  struct(name, {
    requiredDuringSchedulingIgnoredDuringExecution: supported(
      listOf(podAffinityTerm),
    ),
    preferredDuringSchedulingIgnoredDuringExecution: supported(
      listOf(weightedPodAffinityTerm),
    ),
  })

/** Why something cannot matter. */
export const oneNode = 'there is one node, this machine'

export const affinity = struct('Affinity', {
  nodeAffinity: supported(
    one(
      struct('NodeAffinity', {
        requiredDuringSchedulingIgnoredDuringExecution: supported(
          one(
            struct('NodeSelector', {
              nodeSelectorTerms: supported(listOf(nodeSelectorTerm)),
            }),
          ),
        ),
        preferredDuringSchedulingIgnoredDuringExecution: ignored(
          listOf(
            struct('PreferredSchedulingTerm', {
              weight: supported('int32'),
              preference: supported(one(nodeSelectorTerm)),
            }),
          ),
          oneNode,
        ),
      }),
    ),
  ),
  podAffinity: ignored(one(podAffinity('PodAffinity')), oneNode),
  podAntiAffinity: ignored(one(podAffinity('PodAntiAffinity')), oneNode),
})

export const toleration = struct('Toleration', {
  key: supported('string'),
  operator: supported('string'),
  value: supported('string'),
  effect: supported('string'),
  tolerationSeconds: supported('int64'),
})

export const topologySpreadConstraint = struct('TopologySpreadConstraint', {
  maxSkew: supported('int32'),
  topologyKey: supported('string'),
  whenUnsatisfiable: supported('string'),
  labelSelector: supported(one(labelSelector)),
  minDomains: supported('int32'),
  nodeAffinityPolicy: supported('string', { pointer: true }),
  nodeTaintsPolicy: supported('string', { pointer: true }),
  matchLabelKeys: supported(strings),
})
