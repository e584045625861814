import { createHmac } from 'node:crypto'
import type { JsonObject } from '../api/json.ts'
import { formatTime } from '../runner/status/container-status.ts'
import { isConfidential } from '../volumes/payload-changes.ts'
import type { VolumeGeneration } from '../volumes/volume-history.ts'
import { volumeName } from './encode-volume.ts'
import type { VolumeRecord } from './session-record.ts'

/** Hexadecimal digits: two values of a volume are never alike by chance. */
const digestLength = 12

/** A VolumeGeneration of podfs.io/v1: what it changed, without the files. */
export function encodeGeneration(
  volume: VolumeRecord,
  generation: VolumeGeneration,
): JsonObject {
  const { current, pinned } = volume.control.history
  const { publishedAt, rollbackTo, changes, origins } = generation
  const isCurrent = generation === current
  const name = volumeName(volume)
  return {
    apiVersion: 'podfs.io/v1',
    kind: 'VolumeGeneration',
    metadata: {
      name: `${name}-${generation.generation}`,
      namespace: volume.namespace,
      ...(publishedAt === undefined
        ? {}
        : { creationTimestamp: formatTime(publishedAt) }),
    },
    volume: name,
    generation: generation.generation,
    current: isCurrent,
    pinned: isCurrent && pinned !== undefined,
    ...(rollbackTo === undefined ? {} : { rollbackTo }),
    sources: origins.map(({ kind, name }) => ({ kind, name })),
    changes: { ...changes },
  }
}

/**
 * The same with its files, by path. Of a confidential file only a keyed hash: who does not
 * have the key, which no one has, cannot find a short password by trying.
 */
export function encodeGenerationFiles(
  volume: VolumeRecord,
  generation: VolumeGeneration,
  key: Buffer,
): JsonObject {
  const files = [...generation.payload].sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    ...encodeGeneration(volume, generation),
    files: files.map(([path, file]) => {
      const { data, mode } = file
      if (isConfidential(file)) {
        const digest = createHmac('sha256', key).update(data).digest('hex')
        return { path, mode, hmacSHA256: digest.slice(0, digestLength) }
      }
      const text = textOf(data)
      return text === undefined
        ? { path, mode, binaryData: Buffer.from(data).toString('base64') }
        : { path, mode, data: text }
    }),
  }
}

/** Undefined when it is not UTF-8, or has the byte that no text has. */
function textOf(data: Uint8Array): string | undefined {
  if (data.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      data,
    )
  } catch {
    return undefined
  }
}
