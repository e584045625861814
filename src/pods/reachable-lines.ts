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
  network: Pick<PodNetworkPlan, 'publish' | 'places'> = { publish: [] },
): readonly string[] {
  const { initContainers, containers } = pod.spec
  const declared = [...initContainers, ...containers].flatMap(
    ({ ports = [] }) => ports,
  )
  const { places } = network
  const mappings = [...(places ?? []), ...portMappings(pod, network)]
  const lines = new Map<string, string>()
  for (const { containerPort, protocol, name } of [
    ...declared,
    ...mappings,
  ].map(port => ({ name: undefined, ...port }))) {
    const key = `${containerPort}/${protocol}`
    if (containerPort === undefined || lines.has(key)) continue
    const port = `${containerPort}${protocol === 'TCP' ? '' : `/${protocol.toLowerCase()}`}`
    const address = joinHostPort(podIP, containerPort)
    const here = mappings
      .filter(
        mapping =>
          mapping.containerPort === containerPort &&
          mapping.protocol === protocol,
      )
      .map(({ hostIP, hostPort }) =>
        joinHostPort(isAny(hostIP) ? 'localhost' : hostIP, hostPort),
      )
    const where =
      places === undefined
        ? `at ${[address, ...here].join(' and ')}`
        : [
            ...(here.length > 0 ? [`at ${here.join(' and ')}`] : []),
            `for Pods at ${address}`,
          ].join(', ')
    lines.set(
      key,
      `Pod ${podName(pod)}: port ${port}${name ? ` (${name})` : ''} is ${where}`,
    )
  }
  return [...lines.values()]
}

function isAny(ip: string | undefined): ip is undefined | '' | '0.0.0.0' {
  return ip === undefined || ip === '' || ip === '0.0.0.0'
}
