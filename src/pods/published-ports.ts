import { isIPv4 } from 'node:net'
import type { Pod } from '../api/types.ts'
import type { PortMapping } from '../runner/sandbox/network/network-provider.ts'
import { Failure } from '../util/failure.ts'
import { parsePodReference } from './choose-pods.ts'

/** A port of this machine that leads to one of a Pod, as somebody has typed it. */
export interface PublishedPort extends PortMapping {
  /** As typed, for messages. */
  readonly text: string
  /** `web`, `deployment/web`; absent: the only one. */
  readonly pod?: string
}

/**
 * `[POD:][IP:]HOSTPORT:PORT[/udp]`, Docker's words with a Pod before them. Throws a usage Failure.
 */
export function parsePublished(text: string): PublishedPort {
  const [, before, host = '', port = '', protocol = 'tcp'] =
    /^(?:(.*):)?(\d+):(\d+)(?:\/(tcp|udp|sctp))?$/.exec(text) ?? []
  const [hostPort, containerPort] = [Number(host), Number(port)]
  const isPort = (number: number): boolean => number > 0 && number < 65_536
  const parts = before === undefined ? [] : before.split(':')
  const last = parts.at(-1)
  const hostIP = last !== undefined && isIPv4(last) ? parts.pop() : undefined
  const [pod, ...more] = parts
  if (
    !isPort(hostPort) ||
    !isPort(containerPort) ||
    more.length > 0 ||
    (pod !== undefined && (pod === '' || parsePodReference(pod) === undefined))
  )
    throw new Failure(
      'usage',
      `--publish ${text}: must be a port of this machine and one of the Pod`,
      {
        fix: '--publish 8080:80, 127.0.0.1:8080:80/udp, or web:8080:80 for the Pod web',
      },
    )
  return {
    text,
    hostPort,
    containerPort,
    protocol: protocol.toUpperCase(),
    ...(hostIP === undefined ? {} : { hostIP }),
    ...(pod === undefined ? {} : { pod }),
  }
}

/** Those of one Pod. */
export function publishedPorts(
  published: readonly PublishedPort[],
  pod: Pod,
): PortMapping[] {
  return published
    .filter(each => each.pod === undefined || isMeant(each.pod, pod))
    .map(({ hostPort, containerPort, protocol, hostIP }) => ({
      hostPort,
      containerPort,
      protocol,
      ...(hostIP === undefined ? {} : { hostIP }),
    }))
}

/** Throws a usage Failure for one that leads to none of the Pods, or to nobody knows which. */
export function refuseUnusedPorts(
  published: readonly PublishedPort[],
  pods: readonly Pod[],
): void {
  for (const { pod, text } of published) {
    if (pod === undefined && pods.length > 1)
      throw new Failure(
        'usage',
        `--publish ${text}: there are ${pods.length} Pods`,
        {
          fix: `--publish ${pods[0]?.metadata.name}:${text}`,
        },
      )
    if (pod !== undefined && !pods.some(each => isMeant(pod, each)))
      throw new Failure('usage', `--publish ${text}: no Pod ${pod} is run`)
  }
}

function isMeant(text: string, { metadata, workload }: Pod): boolean {
  const { kind, name } = parsePodReference(text) ?? {}
  if (kind === undefined)
    return name === metadata.name || name === workload?.name
  return kind === 'Pod'
    ? name === metadata.name
    : kind === workload?.kind && name === workload.name
}
