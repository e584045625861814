import type { Pod } from '../api/types.ts'
import {
  portMappings,
  type PodNetworkPlan,
} from '../runner/launch/sandbox-config.ts'
import { joinHostPort } from '../runner/lifecycle/dial-error.ts'
import { podName } from './pod-notices.ts'

/**
 * Where the ports of a Pod in a network of its own can be reached, a line for each: those that its
 * manifest names, and those that lead there. Pure.
 */
export function reachableLines(
  pod: Pod,
  [podIP = '']: readonly string[],
  network: Pick<PodNetworkPlan, 'publish'> = { publish: [] },
): readonly string[] {
  const { initContainers, containers } = pod.spec
  const declared = [...initContainers, ...containers].flatMap(
    ({ ports = [] }) => ports,
  )
  const mappings = portMappings(pod, network)
  const lines = new Map<string, string>()
  for (const { containerPort, protocol, name } of [
    ...declared,
    ...mappings,
  ].map(port => ({ name: undefined, ...port }))) {
    const key = `${containerPort}/${protocol}`
    if (containerPort === undefined || lines.has(key)) continue
    const port = `${containerPort}${protocol === 'TCP' ? '' : `/${protocol.toLowerCase()}`}`
    const places = [
      joinHostPort(podIP, containerPort),
      ...mappings
        .filter(
          mapping =>
            mapping.containerPort === containerPort &&
            mapping.protocol === protocol,
        )
        .map(({ hostIP, hostPort }) =>
          joinHostPort(isAny(hostIP) ? 'localhost' : hostIP, hostPort),
        ),
    ]
    lines.set(
      key,
      `Pod ${podName(pod)}: port ${port}${name ? ` (${name})` : ''} is at ${places.join(' and ')}`,
    )
  }
  return [...lines.values()]
}

function isAny(ip: string | undefined): ip is undefined | '' | '0.0.0.0' {
  return ip === undefined || ip === '' || ip === '0.0.0.0'
}
