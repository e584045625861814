import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { hasCode } from '../../../util/error-code.ts'
import {
  networkFile,
  ownNamespace,
  readAttachment,
  type WrittenAttachment,
} from './attachment-file.ts'
import type { PortMapping } from './network-provider.ts'

/**
 * Why a Pod cannot have the ports of this machine that it wants: another Pod of any podfs that has
 * its files in `runtime`, or a program, has one of them. The plugins would take it from either.
 * Of two that want it at the same moment one goes on.
 */
export async function whyPortTaken(
  runtime: string,
  wanted: Pick<WrittenAttachment, 'portMappings' | 'containerID'>,
): Promise<string | undefined> {
  if (wanted.portMappings.length === 0) return undefined
  const others = (await attachmentsIn(runtime)).filter(
    other =>
      other.machine === ownNamespace() &&
      other.containerID !== wanted.containerID &&
      // Of pasta's the listening is seen below.
      'list' in other &&
      (other.result !== undefined || other.containerID < wanted.containerID),
  )
  for (const mapping of wanted.portMappings) {
    const said = `port ${mapping.hostPort}/${mapping.protocol} of this machine`
    for (const { pod, portMappings } of others)
      if (portMappings.some(other => isSamePort(mapping, other)))
        return `${said} is that of Pod ${pod}`
    if (await isListenedOn(mapping))
      return `${said} is in use by one of its programs`
  }
  return undefined
}

/** Pure. */
export function isSamePort(one: PortMapping, other: PortMapping): boolean {
  const isAny = (ip = ''): boolean => ip === '' || ip === '0.0.0.0'
  return (
    one.hostPort === other.hostPort &&
    one.protocol === other.protocol &&
    (isAny(one.hostIP) || isAny(other.hostIP) || one.hostIP === other.hostIP)
  )
}

async function attachmentsIn(runtime: string): Promise<WrittenAttachment[]> {
  const found: WrittenAttachment[] = []
  for (const session of await readdir(runtime).catch(() => [])) {
    const runs = path.join(runtime, session, 'pods', 'run')
    for (const run of await readdir(runs).catch(() => [])) {
      const file = path.join(runs, run, 'sandbox', networkFile)
      const attachment = readAttachment(file)
      if (attachment !== undefined) found.push(attachment)
    }
  }
  return found
}

/** By taking it, for a moment. */
async function isListenedOn(mapping: PortMapping): Promise<boolean> {
  const { hostPort: port, hostIP: host = '0.0.0.0', protocol } = mapping
  try {
    if (protocol === 'TCP') {
      const server = createServer()
      server.listen({ port, host })
      await once(server, 'listening')
      server.close()
    } else if (protocol === 'UDP') {
      const socket = createSocket('udp4')
      socket.bind(port, host)
      await once(socket, 'listening')
      socket.close()
    }
    return false
  } catch (error) {
    return hasCode(error, 'EADDRINUSE')
  }
}
