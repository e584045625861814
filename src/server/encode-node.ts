import type { JsonObject } from '../api/json.ts'
import type { NodeInfo } from '../api/types.ts'
import { formatTime } from '../runner/status/container-status.ts'

export interface NodeFacts {
  readonly node: NodeInfo
  /** When this podfs began; milliseconds since 1970. */
  readonly startedAt: number
  /** Of podfs. */
  readonly version: string
  readonly kernelVersion: string
  readonly osImage: string
}

/** This machine as the one node there is. */
export function encodeNode(facts: NodeFacts): JsonObject {
  const { node, version, startedAt } = facts
  const amounts = Object.fromEntries(node.allocatable)
  const since = formatTime(startedAt)
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: node.name,
      uid: node.uid,
      creationTimestamp: since,
      labels: Object.fromEntries(node.labels),
    },
    spec:
      node.taints.length === 0
        ? {}
        : { taints: node.taints.map(taint => ({ ...taint })) },
    status: {
      capacity: amounts,
      allocatable: amounts,
      addresses: [
        { type: 'InternalIP', address: node.ip },
        { type: 'Hostname', address: node.name },
      ],
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'PodfsReady',
          message: 'podfs is serving',
          lastHeartbeatTime: since,
          lastTransitionTime: since,
        },
      ],
      nodeInfo: {
        architecture: node.labels.get('kubernetes.io/arch') ?? '',
        containerRuntimeVersion: `podfs://${version}`,
        kernelVersion: facts.kernelVersion,
        kubeletVersion: `v${version}`,
        operatingSystem: 'linux',
        osImage: facts.osImage,
      },
    },
  }
}
