import { readFile } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import path from 'node:path'
import {
  isRunning,
  type ProcessIdentity,
} from '../../linux/process-identity.ts'
import { sendSignal } from '../../linux/send-signal.ts'
import type {
  AppliedTable,
  ProxyMessage,
} from '../../services/service-proxy.ts'
import type { ServiceTable } from '../../services/service-table.ts'
import type { Clock } from '../../util/clock.ts'
import { deferred } from '../../util/deferred.ts'
import type { RunningProxy } from '../pod-services.ts'
import { firstAnswer, startProgram } from '../start-program.ts'
import { MessageStream } from '../shim/message-stream.ts'
import {
  type FromProxy,
  proxyProtocol,
  type ToProxy,
} from './proxy-messages.ts'

const stepMs = 20

export function proxySocket(session: string): string {
  return path.join(session, 'services.sock')
}

/** Which process it is. */
export function proxyFile(session: string): string {
  return path.join(session, 'services.json')
}

interface ProxyOptions {
  /** The session's run-time directory. */
  readonly session: string
  readonly clock: Clock
  readonly tell: (message: ProxyMessage) => void
}

/** The Service proxy of the session: the one that a podfs before this one has left, or a new one. */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const left = await connect(options).catch(() => undefined)
  if (left !== undefined) return left
  await endLeftProxy(options.session, options.clock)
  return await startProgram(
    'Service proxy',
    ['service-proxy.cjs', options.session],
    () => connect(options),
  )
}

/** Ends the one that a podfs has left, where there is one. */
async function endLeftProxy(session: string, clock: Clock): Promise<void> {
  const identity = await proxyOf(session)
  if (identity === undefined) return
  sendSignal(identity.pid, 'SIGKILL')
  await untilGone(identity, clock)
}

async function untilGone(
  identity: ProcessIdentity,
  clock: Clock,
): Promise<void> {
  while (isRunning(identity)) await clock.sleep(stepMs)
}

/** Whether a podfs has left one. */
export async function hasLeftProxy(session: string): Promise<boolean> {
  return (await proxyOf(session)) !== undefined
}

async function proxyOf(session: string): Promise<ProcessIdentity | undefined> {
  const text = await readFile(proxyFile(session), 'utf8').catch(() => '')
  if (text === '') return undefined
  const identity = JSON.parse(text) as ProcessIdentity
  return isRunning(identity) ? identity : undefined
}

async function connect(options: ProxyOptions): Promise<RunningProxy> {
  const { session, clock } = options
  const socket = createConnection(proxySocket(session))
  const client = new ProxyClient(socket, options)
  await firstAnswer(client.greeted, socket, clock)
  return client
}

/** The end of its socket that is podfs's. */
class ProxyClient implements RunningProxy {
  readonly greeted: Promise<void>
  readonly ended: Promise<void>
  readonly #options: ProxyOptions
  readonly #stream: MessageStream<FromProxy, ToProxy>
  readonly #hello = deferred<void>()
  readonly #applied = new Map<number, (result: AppliedTable) => void>()
  #requests = 0

  constructor(socket: Socket, options: ProxyOptions) {
    this.#options = options
    this.#stream = new MessageStream(socket, message => this.#receive(message))
    this.ended = this.#stream.closed
    this.greeted = Promise.race([
      this.#hello.promise,
      this.#stream.closed.then(() => {
        throw new Error('it ended')
      }),
    ])
    this.greeted.catch(() => undefined)
  }

  async apply(table: ServiceTable): Promise<AppliedTable> {
    this.#requests += 1
    const request = this.#requests
    const applied = deferred<AppliedTable>()
    this.#applied.set(request, applied.resolve)
    this.#stream.send({ say: 'table', request, table })
    const gone = this.#stream.closed.then(() => ({ hasNames: false }))
    const result = await Promise.race([applied.promise, gone])
    this.#applied.delete(request)
    return result
  }

  async close(): Promise<void> {
    const { session, clock } = this.#options
    const identity = await proxyOf(session)
    this.#stream.send({ say: 'close' })
    await this.#stream.closed
    if (identity !== undefined) await untilGone(identity, clock)
  }

  #receive(message: FromProxy): void {
    if (message.say === 'hello') {
      if (message.protocol === proxyProtocol) this.#hello.resolve()
      else
        this.#hello.reject(new Error(`it speaks version ${message.protocol}`))
    } else if (message.say === 'applied')
      this.#applied.get(message.request)?.(message)
    else this.#options.tell(message)
  }
}
