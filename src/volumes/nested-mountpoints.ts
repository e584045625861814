import path from 'node:path'
import type { Pod } from '../api/types.ts'

/**
 * The directories that a volume must have so that other volumes can be mounted inside it: a
 * Secret at /etc/app/tls inside a ConfigMap at /etc/app. A container cannot make them, the
 * volume is read-only (kubernetes pkg/volume/util/nested_volumes.go, getNestedMountpoints).
 *
 * Relative to the volume's root, sorted, and only the outermost: what is mounted there brings
 * its own directories. Names that begin with `..` are the writer's and give none.
 */
export function nestedMountpoints(volumeName: string, pod: Pod): string[] {
  const found = new Set<string>()
  for (const { volumeMounts } of [
    ...pod.spec.initContainers,
    ...pod.spec.containers,
  ])
    for (const outer of volumeMounts) {
      if (outer.name !== volumeName || outer.subPath !== undefined) continue
      const nested = volumeMounts
        .map(inner => path.posix.relative(outer.mountPath, inner.mountPath))
        .filter(relative => relative !== '' && !relative.startsWith('..'))
        .sort()
      for (const relative of nested)
        if (!nested.some(other => relative.startsWith(`${other}/`)))
          found.add(relative)
    }
  return [...found].sort()
}
