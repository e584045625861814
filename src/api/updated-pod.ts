import { isDeepStrictEqual } from 'node:util'
import { inPlaceFields } from './changed-fields.ts'
import type { Pod, PodSpec } from './types.ts'

/**
 * The Pod that runs, as a newer version has it: its labels and annotations, and what of its spec
 * may change. Ephemeral containers are added to a Pod that runs, and no file has them. It stays the
 * same Pod; another spec is its next generation.
 */
export function updatedPod(running: Pod, newer: Pod): Pod {
  const spec: PodSpec = Object.fromEntries(
    Object.entries({
      ...running.spec,
      ...Object.fromEntries(
        inPlaceFields.map(field => [field, newer.spec[field]]),
      ),
      ephemeralContainers:
        newer.spec.ephemeralContainers ?? running.spec.ephemeralContainers,
    }).filter(([, value]) => value !== undefined),
  ) as unknown as PodSpec
  const { generation = 1 } = running.metadata
  const isSameSpec = isDeepStrictEqual(spec, running.spec)
  return {
    ...newer,
    metadata: {
      ...newer.metadata,
      generation: isSameSpec ? generation : generation + 1,
    },
    spec: isSameSpec ? running.spec : spec,
  }
}
