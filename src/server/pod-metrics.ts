import type { JsonObject } from '../api/json.ts'
import { objectKey } from '../api/object-key.ts'
import { formatTime } from '../runner/status/container-status.ts'
import type { Clock } from '../util/clock.ts'
import { machineUsage } from '../linux/machine-usage.ts'
import { usageWindowMs, type Usage } from '../linux/process-usage.ts'
import { containerUsage } from './container-usage.ts'
import type { CachedObject } from './object-cache.ts'
import { metricsGroup, metricsVersion } from './resources.ts'
import type { SessionRecord } from './session-record.ts'

/**
 * PodMetrics of the Pods that run, as the metrics server of a cluster gives them. Takes as
 * long as it measures.
 */
export async function podMetrics(
  pods: readonly CachedObject[],
  record: SessionRecord,
  clock: Clock,
): Promise<readonly JsonObject[]> {
  const running = pods.flatMap(({ namespace, name, labels }) => {
    const live = record.pods.get(objectKey('Pod', namespace, name))
    const processes = live?.processes?.() ?? new Map<string, number>()
    return processes.size === 0 ? [] : [{ namespace, name, labels, processes }]
  })
  if (running.length === 0) return []
  const usages = await containerUsage(
    running.flatMap(({ processes }) => [...processes.values()]),
    clock,
  )
  const now = formatTime(clock.now())
  return running.flatMap(({ namespace, name, labels, processes }) => {
    const containers = [...processes].flatMap(([name, pid]) => {
      const usage = usages.get(pid)
      return usage === undefined ? [] : [{ name, usage: quantities(usage) }]
    })
    if (containers.length === 0) return []
    return [
      {
        kind: 'PodMetrics',
        apiVersion: `${metricsGroup}/${metricsVersion}`,
        metadata: {
          name,
          namespace,
          creationTimestamp: now,
          ...(labels.size === 0 ? {} : { labels: Object.fromEntries(labels) }),
        },
        timestamp: now,
        window: `${usageWindowMs / 1000}s`,
        containers,
      },
    ]
  })
}

/** NodeMetrics of this machine. Takes as long as it measures. */
export async function nodeMetrics(
  { name, labels }: CachedObject,
  clock: Clock,
): Promise<JsonObject> {
  const usage = await machineUsage(clock)
  const now = formatTime(clock.now())
  return {
    kind: 'NodeMetrics',
    apiVersion: `${metricsGroup}/${metricsVersion}`,
    metadata: {
      name,
      creationTimestamp: now,
      ...(labels.size === 0 ? {} : { labels: Object.fromEntries(labels) }),
    },
    timestamp: now,
    window: `${usageWindowMs / 1000}s`,
    usage: quantities(usage),
  }
}

function quantities({ cpuNanos, memoryBytes }: Usage): JsonObject {
  return {
    cpu: `${cpuNanos}n`,
    memory: `${Math.round(memoryBytes / 1024)}Ki`,
  }
}
