import type { Wire } from '../../src/streams/wire.ts'
import { deferred } from '../../src/util/deferred.ts'
import { inBackground } from '../../src/util/in-background.ts'

type Listener = Parameters<Wire['receive']>[0]

/** Both ends of a wire within this process. */
export function memoryWires(): readonly [Wire, Wire] {
  const closed = deferred<void>()
  const one = new End(closed)
  const other = new End(closed)
  return [one.wire(other), other.wire(one)]
}

class End {
  readonly #closed: ReturnType<typeof deferred<void>>
  readonly #listener = deferred<Listener>()
  #handled: Promise<unknown>

  constructor(closed: ReturnType<typeof deferred<void>>) {
    this.#closed = closed
    this.#handled = this.#listener.promise
  }

  wire(other: End): Wire {
    const drop = (): void => this.#closed.resolve()
    return {
      send: async (channel, bytes) => other.#take(channel, Buffer.from(bytes)),
      receive: listener => this.#listener.resolve(listener),
      closed: this.#closed.promise,
      close: () => inBackground(other.#handled.then(drop)),
      drop,
    }
  }

  #take(channel: number, bytes: Buffer): void {
    const before = this.#handled
    const handOn = async (): Promise<void> => {
      await before
      const listener = await this.#listener.promise
      await Promise.race([listener(channel, bytes), this.#closed.promise])
    }
    this.#handled = handOn()
  }
}
