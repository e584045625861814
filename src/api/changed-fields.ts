import type { Pod, PodSpec, WorkloadKind } from './types.ts'

/**
 * The paths of the fields in which two specs of a Pod differ, the deepest that both have:
 * `spec.containers[0].env[1].value`.
 */
export function changedFields(before: PodSpec, after: PodSpec): string[] {
  const paths: string[] = []
  compare(before, after, 'spec', paths)
  return paths
}

/** What of the spec of a Pod that runs may change; all else is as it was started. */
export const inPlaceFields = [
  'activeDeadlineSeconds',
  'schedulingGates',
  'tolerations',
] as const satisfies readonly (keyof PodSpec)[]

/** Whose controllers make new Pods when anything in the template changes. */
const rollingOut: ReadonlySet<WorkloadKind> = new Set([
  'Deployment',
  'StatefulSet',
  'DaemonSet',
])

/**
 * The fields, as they are called in the file, by which a new Pod takes the place of a running
 * one. Labels and annotations are live; but where a controller rolls out, people change them
 * in order to have a new Pod (`checksum/config`, `kubectl rollout restart`).
 */
export function restartingFields(running: Pod, wanted: Pod): string[] {
  const { workload } = wanted
  const paths = changedFields(running.spec, wanted.spec).filter(
    // Of a Pod they change in place; a controller makes another Pod.
    path =>
      // No file has them.
      !path.startsWith('spec.ephemeralContainers') &&
      (workload !== undefined ||
        !inPlaceFields.some(field => path.startsWith(`spec.${field}`))),
  )
  if (workload !== undefined && rollingOut.has(workload.kind))
    for (const field of ['labels', 'annotations'] as const)
      compare(
        running.metadata[field],
        wanted.metadata[field],
        `metadata.${field}`,
        paths,
      )
  return workload === undefined
    ? paths
    : paths.map(path => `${workload.templatePath}.${path}`)
}

function compare(a: unknown, b: unknown, path: string, paths: string[]): void {
  if (Object.is(a, b)) return
  if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
    a.forEach((item, index) =>
      compare(item, b[index], `${path}[${index}]`, paths),
    )
    return
  }
  if (a instanceof Map && b instanceof Map)
    return compareKeys(
      Object.fromEntries(a),
      Object.fromEntries(b),
      path,
      paths,
    )
  if (isStruct(a) && isStruct(b)) return compareKeys(a, b, path, paths)
  paths.push(path)
}

function compareKeys(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
  path: string,
  paths: string[],
): void {
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
    compare(a[key], b[key], `${path}.${key}`, paths)
}

function isStruct(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Map)
  )
}
