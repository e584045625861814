import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { identityOf } from '../../linux/process-identity.ts'
import { inBackground } from '../../util/in-background.ts'

/** While a server starts, its socket is not there yet. */
const RETRY_MS = 20
const ANSWER_MS = 2000
/** A server whose control thread starts, or that takes over; together less than a scrape waits. */
const STATS_MS = 5000
/** A first server's control thread takes no time from what is started with the mount. */
const WAKE_MS = 300

/**
 * The daemon's end of the control socket. It connects to whichever server runs, again when
 * that one dies, and asks to be admitted each time.
 */
export class ControlClient {
  readonly #path: string
  #socket: Socket | undefined
  #serverPid: number | undefined
  #closed = false
  #waiting: ((line: string | undefined) => void)[] = []
  #connected: (() => void)[] = []
  #wakeNow: () => void = () => undefined

  /** `wake`: a request that makes a first server start its control thread, see serve.ts. */
  constructor(path: string, wake?: () => Promise<unknown>) {
    this.#path = path
    inBackground(this.#start(wake))
  }

  /** Of the server that is connected now. */
  get serverPid(): number | undefined {
    return this.#serverPid
  }

  /** Resolves once a server has admitted this process, or after `ms` without one: false. */
  async connected(ms: number): Promise<boolean> {
    if (this.#serverPid !== undefined) return true
    this.#wakeNow()
    const timeout = new AbortController()
    await Promise.race([
      new Promise<void>(resolve => this.#connected.push(resolve)),
      delay(ms, undefined, { signal: timeout.signal }).catch(() => undefined),
    ])
    timeout.abort()
    return this.#serverPid !== undefined
  }

  /** `nodes` in the tree, and requests per operation; nothing when no server answered. */
  async stats(): Promise<Readonly<Record<string, number>>> {
    await this.connected(STATS_MS)
    return ((await this.ask('stats')) ?? {}) as Record<string, number>
  }

  /** undefined: no server answered. */
  async ask(command: 'stop-prepare' | 'stats'): Promise<unknown> {
    if (this.#serverPid === undefined) return undefined
    const line = await this.#send(command)
    return line?.startsWith('ok ') ? JSON.parse(line.slice(3)) : undefined
  }

  close(): void {
    this.#closed = true
    this.#wakeNow()
    this.#socket?.destroy()
  }

  async #start(wake?: () => Promise<unknown>): Promise<void> {
    if (wake !== undefined) await this.#wakeUp(wake)
    await this.#keepConnected()
  }

  async #wakeUp(wake: () => Promise<unknown>): Promise<void> {
    const now = new AbortController()
    this.#wakeNow = () => now.abort()
    await delay(WAKE_MS, undefined, { signal: now.signal, ref: false }).catch(
      () => undefined,
    )
    // Not awaited: without a server it would wait for ever.
    if (!this.#closed) wake().catch(() => undefined)
  }

  async #keepConnected(): Promise<void> {
    while (!this.#closed) {
      await this.#session()
      if (!this.#closed) await delay(RETRY_MS)
    }
  }

  /** One connection, from start to end. */
  async #session(): Promise<void> {
    const socket = connect(this.#path)
    this.#socket = socket
    let rest = ''
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#received(line)
    })
    socket.on('error', () => undefined) // `close` follows
    await new Promise<void>(resolve => socket.on('close', () => resolve()))
    this.#serverPid = undefined
    for (const answer of this.#waiting.splice(0)) answer(undefined)
  }

  #received(line: string): void {
    const greeting = /^podfs (\d+)$/.exec(line)
    if (greeting) inBackground(this.#admit(Number(greeting[1])))
    else this.#waiting.shift()?.(line)
  }

  async #admit(serverPid: number): Promise<void> {
    const self = identityOf(process.pid)
    // However late it comes on a loaded machine: on this connection nobody asks again.
    const line = await this.#send(`admit ${self?.pid} ${self?.startTime}`, null)
    if (line === undefined) return
    this.#serverPid = serverPid
    for (const resolve of this.#connected.splice(0)) resolve()
  }

  /** `ms`: null waits for as long as there is a connection. */
  #send(
    line: string,
    ms: number | null = ANSWER_MS,
  ): Promise<string | undefined> {
    return new Promise(resolve => {
      const timer =
        ms === null ? undefined : setTimeout(() => resolve(undefined), ms)
      timer?.unref()
      this.#waiting.push(answer => {
        clearTimeout(timer)
        resolve(answer)
      })
      this.#socket?.write(line + '\n')
    })
  }
}
