/*
 * The gateway of an ordinary user's podfs whose Pods have networks of their own. podfs itself is in
 * a network namespace that it has made; this is outside of it, and leads there and back: it holds
 * pasta, and listens at ports of the machine (PortListener) for whoever is inside.
 *
 *   gateway.cjs DIRECTORY STARTER PATIENCE
 *
 * It says one line on standard output when it listens; all else is said at DIRECTORY/gateway.sock
 * (gateway-client.ts). It ends when nobody has been connected there for PATIENCE ms, at once when the
 * last one has said farewell, or when the process STARTER has ended before anybody was.
 */
import { once } from 'node:events'
import { openSync, readFileSync, symlinkSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { findMachineTools } from '../../linux/machine-tools.ts'
import { identityOf, isRunning } from '../../linux/process-identity.ts'
import { runCommand } from '../../linux/run-command.ts'
import {
  gatewayFarewell,
  gatewaySocket,
  type GatewayAnswer,
  type GatewayRequest,
} from '../../runner/sandbox/network/gateway-client.ts'
import type { PortMapping } from '../../runner/sandbox/network/network-provider.ts'
import { startPasta } from '../../runner/sandbox/network/pasta-network.ts'
import { PortListener } from '../../runner/sandbox/network/port-listener.ts'
import { routedNets } from '../../runner/sandbox/network/subnets.ts'
import {
  gatewayFile,
  gatewayNamespace,
} from '../../session/gateway-directory.ts'
import { guardMemory } from '../../session/guard-memory.ts'
import { findPasta } from '../../session/pod-network-provider.ts'
import { systemClock } from '../../util/clock.ts'
import { deferred } from '../../util/deferred.ts'
import { errorCode } from '../../util/error-code.ts'
import { inBackground } from '../../util/in-background.ts'
import { onDefect } from '../../util/on-defect.ts'
import { exitAfter, tellListening } from '../outlive.ts'
import { gatewayNet, type GatewayNet, machineFile } from './gateway-net.ts'

const lookMs = 1000
/** pasta that has ended is started again after this. */
const againMs = 1000
/** So its interface is called in the namespace. */
const ifName = 'machine0'

async function main(): Promise<void> {
  const [, , directory = '', starter = '', patience = ''] = process.argv
  guardMemory(process.env)
  const done = deferred<void>()
  const over = new AbortController()
  onDefect(() => done.resolve())
  const gateway = new Gateway(directory, over.signal)
  let connected = 0
  let isWanted = false
  // For the socket: 0600.
  process.umask(0o177)
  const server = createServer(socket => {
    isWanted = true
    connected += 1
    socket.once('close', () => {
      connected -= 1
      if (connected > 0) return
      systemClock.after(hasLeft ? 0 : Number(patience), () => {
        if (connected === 0) done.resolve()
      })
    })
    let hasLeft = false
    inBackground(gateway.serve(socket, () => (hasLeft = true)))
  })
  server.listen(gatewaySocket(directory))
  await once(server, 'listening')
  process.umask(0o077)
  await tellListening(gatewayFile(directory), () => done.resolve())
  const identity = identityOf(Number(starter))
  const look = (): void => {
    if (isWanted) return
    if (identity === undefined || !isRunning(identity)) done.resolve()
    else systemClock.after(lookMs, look)
  }
  look()
  await done.promise
  over.abort()
  await gateway.close()
  await rm(directory, { recursive: true, force: true })
}

class Gateway {
  readonly #directory: string
  readonly #over: AbortSignal
  /** The same for as long as it lives. */
  #net: GatewayNet | undefined
  #begun: Promise<GatewayAnswer> | undefined
  #pasta: Awaited<ReturnType<typeof startPasta>> | undefined

  constructor(directory: string, over: AbortSignal) {
    this.#directory = directory
    this.#over = over
  }

  async serve(socket: Socket, onFarewell: () => void): Promise<void> {
    // 'close' follows.
    socket.on('error', () => undefined)
    const lines = createInterface({ input: socket })
    const closed = new AbortController()
    socket.once('close', () => closed.abort())
    const line = await once(lines, 'line', { signal: closed.signal }).then(
      ([line]) => line as string,
      () => undefined,
    )
    if (line === undefined) return
    lines.once('line', line => {
      if (line === gatewayFarewell) onFarewell()
    })
    const answer = await this.#answer(
      JSON.parse(line) as GatewayRequest,
      socket,
    ).catch((error: Error) => ({ failed: error.message }))
    if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`)
  }

  async #answer(
    request: GatewayRequest,
    socket: Socket,
  ): Promise<GatewayAnswer> {
    if (request.ask === 'stay') return {}
    if (request.ask === 'ports') return await this.#listen(request, socket)
    this.#begun ??= this.#begin(request.pid)
    return await this.#begun
  }

  /** At all of them, or at none. */
  async #listen(
    { relay, mappings }: Extract<GatewayRequest, { ask: 'ports' }>,
    socket: Socket,
  ): Promise<GatewayAnswer> {
    const listeners: PortListener[] = []
    const close = (): void => {
      for (const listener of listeners) listener.close()
    }
    socket.once('close', close)
    for (const mapping of mappings) {
      const listener = new PortListener(mapping, relay)
      listeners.push(listener)
      try {
        await listener.listen()
      } catch (error) {
        close()
        return { failed: whyNot(mapping, error) }
      }
    }
    // Its owner has gone meanwhile.
    if (socket.destroyed) close()
    return {}
  }

  /** Holds the network namespace of a process, and leads from it to the machine. */
  async #begin(pid: number): Promise<GatewayAnswer> {
    const namespace = openSync(`/proc/${pid}/ns/net`, 'r')
    symlinkSync(
      `/proc/${process.pid}/fd/${namespace}`,
      gatewayNamespace(this.#directory),
    )
    const program = findPasta()
    if (program === undefined)
      return { noEgress: 'pasta (package passt) is not installed' }
    try {
      await this.#connect(program, namespace)
      return {}
    } catch (error) {
      return { noEgress: (error as Error).message }
    }
  }

  async #connect(program: string, namespace: number): Promise<void> {
    const tools = findMachineTools()
    const routes = routedNets(readFileSync('/proc/self/net/route', 'utf8'), '')
    const net = (this.#net ??= gatewayNet(routes))
    const pasta = await startPasta(
      tools,
      [
        program,
        ['--ns-ifname', ifName, '--address', net.address],
        ['--netmask', String(net.bits), '--gateway', net.gateway],
        ['--dns-forward', net.nameserver],
        ['--tcp-ports', 'none', '--udp-ports', 'none'],
      ].flat(),
      {
        namespace,
        pidFile: path.join(this.#directory, 'pasta.pid'),
        resolvConf: machineFile(this.#directory),
        abort: this.#over,
      },
    )
    this.#pasta = pasta
    // So that the networks of Pods and Services take none of them.
    const lines = routes.map(
      route => `route replace ${route} via ${net.gateway} dev ${ifName}\n`,
    )
    await runCommand(
      tools.nsenter,
      [`--net=/proc/${process.pid}/fd/${namespace}`, '--'].concat(
        'ip -force -batch -'.split(' '),
      ),
      lines.join(''),
    )
    inBackground(pasta.ended.then(() => this.#again(program, namespace)))
  }

  async #again(program: string, namespace: number): Promise<void> {
    await systemClock.sleep(againMs, this.#over).catch(() => undefined)
    if (this.#over.aborted) return
    await this.#connect(program, namespace).catch(() =>
      this.#again(program, namespace),
    )
  }

  async close(): Promise<void> {
    await this.#pasta?.end()
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use',
  EACCES: 'is only for root (net.ipv4.ip_unprivileged_port_start)',
  EADDRNOTAVAIL: 'cannot be had: it has no such address',
}

function whyNot(
  { hostIP, hostPort, protocol }: PortMapping,
  error: unknown,
): string {
  const place = hostIP === undefined ? '' : ` at ${hostIP}`
  const reason =
    reasons[errorCode(error) ?? ''] ??
    `cannot be had: ${(error as Error).message}`
  return `port ${hostPort}/${protocol} of this machine${place} ${reason}`
}

exitAfter(main())
