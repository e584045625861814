import type { JsonObject } from '../api/json.ts'
import { formatTime } from '../runner/status/container-status.ts'
import type { VolumeRecord } from './session-record.ts'

/** POD.VOLUME; a volume without a Pod has only the latter. */
export function volumeName({ pod, volume }: VolumeRecord): string {
  return pod === '' ? volume : `${pod}.${volume}`
}

/** Its pod and its volume; the name of a volume has no dots. */
export function volumeOfName(name: string): {
  readonly pod: string
  readonly volume: string
} {
  const at = name.lastIndexOf('.')
  return { pod: name.slice(0, Math.max(at, 0)), volume: name.slice(at + 1) }
}

/** A Volume of podfs.io/v1: podfs's own kind, for what Kubernetes has no object for. */
export function encodeVolume(
  record: VolumeRecord,
  /** Why it is not up to date. */
  error: string | undefined,
): JsonObject {
  const { namespace, pod, volume, type, mountpoints } = record
  return {
    apiVersion: 'podfs.io/v1',
    kind: 'Volume',
    metadata: { name: volumeName(record), namespace },
    spec: {
      ...(pod === '' ? {} : { podName: pod }),
      volumeName: volume,
      type,
      mountpoints,
    },
    status: {
      generation: record.generation,
      keys: record.keys,
      ...(record.pinned === undefined
        ? {}
        : { pinnedGeneration: record.pinned }),
      ...(record.publishedAt === undefined
        ? {}
        : { lastPublishTime: formatTime(record.publishedAt) }),
      ...(error === undefined ? {} : { error }),
    },
  }
}
