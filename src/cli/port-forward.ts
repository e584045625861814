import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { items, part, text, type JsonObject } from '../api/json.ts'
import { forwardOver, portForwardProtocol } from '../streams/forwarded-ports.ts'
import { webSocketWire } from '../streams/web-socket-wire.ts'
import { Failure } from '../util/failure.ts'
import { inBackground } from '../util/in-background.ts'
import { errorOf } from '../util/on-defect.ts'
import type { Command } from './command.ts'
import type { Context } from './context.ts'
import { exitCodeOfSignal, exitCodes } from './exit-codes.ts'
import type { FoundObject } from './look/find-object.ts'
import { lookOptions } from './look/look-options.ts'
import type { ParsedOptions } from './options.ts'

export const portForwardCommand: Command = {
  name: 'port-forward',
  summary: "a port of this machine for a Pod's, as kubectl port-forward",
  usage: [
    'port-forward POD [LOCAL_PORT:]REMOTE_PORT...',
    'port-forward TYPE/NAME [LOCAL_PORT:]REMOTE_PORT...',
  ],
  description: `Until Ctrl-C. A port may be the name of a container's; without a local one it is the same, and
with an empty one any that is free.`,
  examples: [
    {
      comment: 'localhost:8080 is port 80 of the Pod',
      line: 'podfs port-forward web 8080:80',
    },
    {
      comment: 'any free port for the one that is called http',
      line: 'podfs port-forward deploy/web :http',
    },
  ],
  options: {
    ...lookOptions,
    address: {
      value: 'ADDRESS',
      repeatable: true,
      help: 'where to listen (default 127.0.0.1)',
    },
  },
  run,
}

interface Forwarding {
  /** 0: any that is free. */
  readonly local: number
  readonly remote: number
}

async function run(context: Context, options: ParsedOptions): Promise<number> {
  const [word, ...ports] = options.positionals
  if (word === undefined || ports.length === 0)
    throw new Failure(
      'usage',
      'TYPE/NAME and list of ports are required for port-forward',
      { fix: 'podfs port-forward --help' },
    )
  const [{ ApiFailure }, { serverError }, { runningPod }] = await Promise.all([
    import('../client/api-client.ts'),
    import('./look/look-options.ts'),
    import('./look/the-pod.ts'),
  ])
  const servers: Server[] = []
  try {
    const pod = await runningPod(context, options, {
      word,
      verb: 'forward a port to',
    })
    const forwardings = ports.map(port => forwardingOf(port, pod.object))
    const given = options.values('address')
    for (const address of given.length === 0 ? ['127.0.0.1'] : given)
      for (const forwarding of forwardings)
        servers.push(await listen(context, pod, address, forwarding))
    const signal = await new Promise<NodeJS.Signals>(resolve =>
      context.onSignal(resolve),
    )
    return exitCodeOfSignal(signal)
  } catch (error) {
    if (!(error instanceof ApiFailure)) throw error
    context.stderr.line(serverError(error))
    return exitCodes.failed
  } finally {
    for (const server of servers) server.close()
  }
}

async function listen(
  context: Context,
  pod: FoundObject,
  address: string,
  { local, remote }: Forwarding,
): Promise<Server> {
  const { podUrl } = await import('./look/the-pod.ts')
  const server = createServer({ allowHalfOpen: true }, socket => {
    context.stdout.line(`Handling connection for ${portOf(server)}`)
    const forward = async (): Promise<void> => {
      try {
        const url = podUrl(pod, 'portforward', { ports: String(remote) })
        const webSocket = await pod.client.webSocket(url, portForwardProtocol)
        const error = await forwardOver(webSocketWire(webSocket), socket)
        if (error !== undefined) context.stderr.line(`error: ${error}`)
      } catch (error) {
        context.stderr.line(`error: ${errorOf(error).message}`)
        socket.destroy()
      }
    }
    socket.on('error', () => undefined)
    inBackground(forward())
  })
  server.listen(local, address)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new Failure(
      'failed',
      `unable to listen on port ${local}: ${errorOf(cause).message}`,
      { cause, fix: `podfs port-forward ... :${remote}, for one that is free` },
    )
  }
  const host = address.includes(':') ? `[${address}]` : address
  context.stdout.line(`Forwarding from ${host}:${portOf(server)} -> ${remote}`)
  return server
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

function forwardingOf(word: string, pod: JsonObject): Forwarding {
  const [, local, remote = ''] = /^(?:(\d*):)?([^:]+)$/.exec(word) ?? []
  const there = isPort(remote) ? Number(remote) : namedPort(remote, pod)
  if (there === undefined || (local !== undefined && !isLocalPort(local)))
    throw new Failure('usage', `no port, nor the name of one: ${word}`, {
      fix: 'such as 8080:80, 80 or :http',
    })
  return { local: local === undefined ? there : Number(local), remote: there }
}

function isPort(word: string): boolean {
  return /^\d+$/.test(word) && Number(word) > 0 && Number(word) < 65_536
}

function isLocalPort(word: string): boolean {
  return word === '' || isPort(word)
}

function namedPort(name: string, pod: JsonObject): number | undefined {
  const spec = part(pod, 'spec')
  const port = [...items(spec, 'containers'), ...items(spec, 'initContainers')]
    .flatMap(container => items(container, 'ports'))
    .find(each => text(each['name']) === name)
  const number = port?.['containerPort']
  return typeof number === 'number' ? number : undefined
}
