import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { parseResolvConf } from '../../linux/resolv-conf.ts'
import type { Clock } from '../../util/clock.ts'

const port = 53
/** As resolv.conf(5): so many are asked (MAXNS), each for so long. */
const mostServers = 3
const answerMs = 2000
/** What is asked beyond that gets no answer: the machine's resolver is not there. */
const mostAtOnce = 512

export type Transport = 'udp' | 'tcp'

export interface UpstreamOptions {
  /** The machine's resolv.conf. */
  readonly resolvConf: string
  readonly clock: Clock
  /** Our own address, which is never asked. */
  readonly self: string
}

/** The machine's own resolver: its name servers, as resolv.conf has them now. */
export class Upstream {
  readonly #options: UpstreamOptions
  #atOnce = 0

  constructor(options: UpstreamOptions) {
    this.#options = options
  }

  /** The first answer to a message, byte by byte; undefined: there is none. */
  async ask(query: Buffer, transport: Transport): Promise<Buffer | undefined> {
    if (this.#atOnce >= mostAtOnce) return undefined
    this.#atOnce += 1
    try {
      for (const server of await this.#servers()) {
        const answer = await this.#askOne(server, query, transport)
        if (answer !== undefined) return answer
      }
      return undefined
    } finally {
      this.#atOnce -= 1
    }
  }

  async #servers(): Promise<readonly string[]> {
    const { resolvConf, self } = this.#options
    const text = await readFile(resolvConf, 'utf8').catch(() => '')
    return parseResolvConf(text)
      .nameservers.filter(server => server !== self)
      .slice(0, mostServers)
  }

  async #askOne(
    server: string,
    query: Buffer,
    transport: Transport,
  ): Promise<Buffer | undefined> {
    const timer = new AbortController()
    const tooLong = this.#options.clock
      .sleep(answerMs, timer.signal)
      .catch(() => undefined)
    const ask = transport === 'udp' ? askByUdp : askByTcp
    const asked = ask(server, query)
    const found = await Promise.race([asked.answer, tooLong])
    timer.abort()
    asked.close()
    return found ?? undefined
  }
}

interface Asked {
  /** Undefined: it refuses. */
  readonly answer: Promise<Buffer | undefined>
  close(): void
}

function askByUdp(server: string, query: Buffer): Asked {
  const socket = createSocket(server.includes(':') ? 'udp6' : 'udp4')
  const answer = new Promise<Buffer | undefined>(resolve => {
    socket.on('error', () => resolve(undefined))
    socket.on('message', message => {
      if (message.subarray(0, 2).equals(query.subarray(0, 2))) resolve(message)
    })
    // Connected: nobody else is heard, and a refusal is.
    socket.connect(port, server, () => socket.send(query))
  })
  return { answer, close: () => socket.close() }
}

function askByTcp(server: string, query: Buffer): Asked {
  const socket = createConnection({ host: server, port })
  const answer = new Promise<Buffer | undefined>(resolve => {
    socket.on('error', () => resolve(undefined))
    socket.on('close', () => resolve(undefined))
    readMessages(socket, resolve)
    socket.write(withLength(query))
  })
  return { answer, close: () => socket.destroy() }
}

/** RFC 1035, 4.2.2: over TCP each message has its length before it. */
export function withLength(message: Uint8Array): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

export function readMessages(
  stream: NodeJS.ReadableStream,
  onMessage: (message: Buffer) => void,
): void {
  let pending = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      const length = pending.length < 2 ? Infinity : pending.readUInt16BE(0)
      if (pending.length < 2 + length) return
      onMessage(pending.subarray(2, 2 + length))
      pending = pending.subarray(2 + length)
    }
  })
}
