import { workloads } from '../schema/workloads.ts'
import type {
  ObjectMeta,
  ObjectSource,
  Pod,
  ShownObject,
  WorkloadKind,
} from '../types.ts'
import {
  validateLabelsAndAnnotations,
  validateMetadata,
} from '../validation/metadata.ts'
import { validatePod } from '../validation/pod.ts'
import { validateWorkload } from '../validation/workloads.ts'
import type { Value } from '../value.ts'
import {
  cronRules,
  jobRules,
  podOfWorkload,
  replicaOf,
  type WorkloadObject,
} from '../workload-pod.ts'
import { buildMetadata, buildPodSpec } from './build-pod.ts'
import type { FindingList } from './finding-list.ts'
import { withUid } from './shown-uid.ts'
import { decodeStruct, type Decoded } from './struct-decoder.ts'

/**
 * The Pod that a workload runs as, and the workload, to be shown. Field paths and places of
 * findings are those of the workload's file.
 */
export function decodeWorkload(
  kind: WorkloadKind,
  value: Value,
  source: ObjectSource,
  options: { readonly namespace: string },
  findings: FindingList,
): readonly [Pod, ShownObject] {
  const { struct, templatePath } = workloads[kind]
  const decoded = decodeStruct(struct, value, '', findings)
  const metadata = withUid(kind, buildMetadata(decoded['metadata'], options))
  const template = (valueAt(decoded, templatePath) ?? {}) as Decoded
  const object: WorkloadObject = {
    kind,
    metadata,
    spec: decoded['spec'] ?? {},
    template: {
      ...pick(buildMetadata(template['metadata'], options)),
      spec: buildPodSpec(template['spec']),
    },
  }
  const { metadata: podMetadata, spec } = podOfWorkload(object)
  const job = jobRules(object)
  const cron = cronRules(object)
  const replica = replicaOf(object)
  const pod: Pod = {
    kind: 'Pod',
    metadata: podMetadata,
    source: templateSource(source, templatePath),
    spec,
    workload: {
      kind,
      name: metadata.name,
      templatePath,
      ...(job && { job }),
      ...(cron && { cron }),
      ...(replica && { replica }),
    },
  }
  validateMetadata(metadata, findings)
  validateWorkload(object, findings)
  validateLabelsAndAnnotations(object.template, findings.at(templatePath))
  validatePod(asWritten(pod), findings.at(templatePath))
  findings.add(
    'emulated',
    '',
    job !== undefined && job.completions > 1
      ? `emulated: podfs runs its Pods one after the other, each as ${podMetadata.name}`
      : `emulated: podfs runs one Pod of it, ${podMetadata.name}`,
  )
  for (const [i, claim] of (object.spec.volumeClaimTemplates ?? []).entries())
    findings.add(
      'emulated',
      `spec.volumeClaimTemplates[${i}]`,
      `emulated: nothing is claimed; volume "${claim.metadata.name ?? ''}" is a directory that is kept, /var/lib/podfs/claims/${podMetadata.namespace}/${claim.metadata.name ?? ''}-${podMetadata.name}`,
    )
  const shown = (decoded['spec'] ?? {}) as ShownObject['spec']
  return [pod, { kind, metadata, source, spec: shown }]
}

/** A StatefulSet's Pod gets its names from the controller, whatever the template says. */
function asWritten(pod: Pod): Pod {
  if (pod.workload?.kind !== 'StatefulSet') return pod
  const { hostname: _hostname, subdomain: _subdomain, ...spec } = pod.spec
  return { ...pod, spec }
}

function pick({
  labels,
  annotations,
}: ObjectMeta): Pick<ObjectMeta, 'labels' | 'annotations'> {
  return { labels, annotations }
}

function valueAt(decoded: Decoded, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, key) => (value as Decoded | undefined)?.[key],
      decoded,
    )
}

/** The Pod's fields stand in the template, but for its name. */
function templateSource(
  source: ObjectSource,
  templatePath: string,
): ObjectSource {
  return {
    ...source,
    positionOf: path =>
      source.positionOf(
        path === '' || /^metadata\.(name|namespace)$/.test(path)
          ? path
          : `${templatePath}.${path}`,
      ),
  }
}
