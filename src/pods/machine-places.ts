import type { ContainerPort, Pod } from '../api/types.ts'
import type {
  NetworkProvider,
  PortMapping,
} from '../runner/sandbox/network/network-provider.ts'
import { ownNamespace } from '../session/user-namespace.ts'
import type { PodAddresses } from './pod-addresses.ts'

/** What is added to a port that an ordinary user may not listen on: 80 is at 8080, 443 at 8443. */
const upwards = 8000

/**
 * Where the ports that a Pod's manifest names are on this machine, for an ordinary user, whose Pods'
 * addresses are in a network namespace of podfs's own: at a loopback address for each Pod, which
 * nobody's Pod of the same name has, either.
 */
export async function machinePlaces(
  pod: Pod,
  { gateway }: NetworkProvider,
  addresses: PodAddresses,
): Promise<{ readonly places?: readonly PortMapping[] }> {
  if (gateway === undefined) return {}
  const ports = placesFor(pod, gateway.firstPort)
  if (ports.length === 0) return { places: [] }
  const { namespace, name } = pod.metadata
  const hostIP = await addresses.claimFor(
    `of user ${ownNamespace()?.uid}`,
    namespace,
    name,
  )
  return { places: ports.map(port => ({ ...port, hostIP })) }
}

/** Pure. */
export function placesFor(pod: Pod, firstPort: number): PortMapping[] {
  const { initContainers, containers } = pod.spec
  const taken = new Set<string>()
  const places: PortMapping[] = []
  const isMoved = ({ containerPort = 0 }: ContainerPort): boolean =>
    containerPort < firstPort
  const declared = [...initContainers, ...containers]
    .flatMap(({ ports = [] }) => ports)
    // The others first: what they are called they are.
    .sort((one, other) => Number(isMoved(one)) - Number(isMoved(other)))
  const seen = new Set<string>()
  for (const { containerPort, protocol } of declared) {
    const key = `${containerPort}/${protocol}`
    const isForwarded = protocol === 'TCP' || protocol === 'UDP'
    if (containerPort === undefined || seen.has(key) || !isForwarded) continue
    seen.add(key)
    let hostPort = containerPort
    while (hostPort < firstPort || taken.has(`${hostPort}/${protocol}`))
      hostPort += upwards
    if (hostPort > 65_535) continue
    taken.add(`${hostPort}/${protocol}`)
    places.push({ containerPort, protocol, hostPort })
  }
  return places
}
