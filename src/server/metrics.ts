import type * as PromClient from 'prom-client'
import type { Metric, Registry } from 'prom-client'
import type { SessionRecord } from './session-record.ts'

type Client = (typeof PromClient)['default']

/** Of the process itself: memory, CPU, event loop. They watch from the first scrape on. */
let ownProcess: Registry | undefined

/**
 * The metrics of one podfs as Prometheus text, counted by the session all along. prom-client
 * is loaded when somebody asks for the first time: it costs 50 ms and 5 MiB, and most podfs
 * are never scraped.
 */
export async function metricsText(
  record: SessionRecord,
  fuseOperations: Readonly<Record<string, number>> | undefined,
  mistakes?: number,
): Promise<string> {
  // A CommonJS package: it has no names of its own.
  const { default: client } = await import('prom-client')
  if (ownProcess === undefined) {
    ownProcess = new client.Registry()
    client.collectDefaultMetrics({ register: ownProcess })
  }
  const registry = new client.Registry()
  describeVolumes(client, registry, record)
  describeContainers(client, registry, record)
  describeFuse(client, registry, fuseOperations ?? {})
  if (mistakes !== undefined)
    new client.Gauge({
      name: 'podfs_source_mistakes',
      help: 'Mistakes in the sources at the moment; what they concern keeps its last good state.',
      registers: [registry],
    }).set(mistakes)
  return (await registry.metrics()) + (await ownProcess.metrics())
}

function describeVolumes(
  { Counter, Gauge }: Client,
  registry: Registry,
  record: SessionRecord,
): void {
  const labelNames = ['namespace', 'pod', 'volume'] as const
  const registers = [registry]
  const published = new Counter({
    name: 'podfs_volume_published_total',
    help: 'Generations of the volume that were published.',
    labelNames,
    registers,
  })
  const pending = new Gauge({
    name: 'podfs_volume_error',
    help: '1 while the volume cannot be brought up to date.',
    labelNames,
    registers,
  })
  for (const each of record.volumes) {
    const { namespace, pod, volume, generation } = each
    const labels = { namespace, pod, volume }
    published.inc(labels, generation)
    pending.set(
      labels,
      (each.error ?? each.containersError) === undefined ? 0 : 1,
    )
  }
  registry.registerMetric(publishSeconds(record) as unknown as Metric)
}

/** What the registry asks of a metric; prom-client's own histogram cannot be filled in. */
function publishSeconds({ publishing }: SessionRecord) {
  const name = 'podfs_volume_publish_seconds'
  const value = (suffix: string, value: number, labels = {}) => ({
    metricName: `${name}_${suffix}`,
    value,
    labels,
  })
  const metric = {
    name,
    help: 'How long it took to write a generation of a volume.',
    type: 'histogram',
    aggregator: 'sum',
    values: [
      ...publishing.buckets.map(([le, count]) =>
        value('bucket', count, { le }),
      ),
      value('sum', publishing.sum),
      value('count', publishing.count),
    ],
  }
  return { ...metric, get: () => Promise.resolve(metric) }
}

function describeContainers(
  { Counter }: Client,
  registry: Registry,
  record: SessionRecord,
): void {
  const restarts = new Counter({
    name: 'podfs_container_restarts_total',
    help: 'Restarts of the container.',
    labelNames: ['namespace', 'pod', 'container'] as const,
    registers: [registry],
  })
  for (const { pod, status } of record.pods.values())
    for (const { name, restartCount } of [
      ...(status?.initContainerStatuses ?? []),
      ...(status?.containerStatuses ?? []),
    ]) {
      const { namespace } = pod.metadata
      restarts.inc(
        { namespace, pod: pod.metadata.name, container: name },
        restartCount,
      )
    }
}

function describeFuse(
  { Counter, Gauge }: Client,
  registry: Registry,
  { nodes, serverRestarts, ...operations }: Readonly<Record<string, number>>,
): void {
  const requests = new Counter({
    name: 'podfs_fuse_operations_total',
    help: 'Requests that the file server has answered, since it was started.',
    labelNames: ['operation'] as const,
    registers: [registry],
  })
  for (const [operation, count] of Object.entries(operations))
    requests.inc({ operation }, count)
  // Of a mount that was adopted nobody has counted them.
  if (serverRestarts !== undefined)
    new Counter({
      name: 'podfs_fuse_server_restarts_total',
      help: 'File servers that died, and in whose place another one came, since the mount was made.',
      registers: [registry],
    }).inc(serverRestarts)
  // Without an answer of the file server nobody knows.
  if (nodes !== undefined)
    new Gauge({
      name: 'podfs_fuse_nodes',
      help: 'Files, directories and links in the tree of the file server.',
      registers: [registry],
    }).set(nodes)
}
