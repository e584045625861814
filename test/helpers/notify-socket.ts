import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

export interface Notification {
  /** Of the process in whose name it was sent. */
  readonly pid: number
  /** CLOCK_MONOTONIC, when it came. */
  readonly usec: number
  readonly assignments: readonly string[]
}

export interface NotifySocket {
  /** The next message, in the order in which they come. */
  next(): Promise<Notification>
}

/**
 * A real datagram socket of the unix kind at `address`, a path or an abstract name (`@name`).
 * Barriers are answered, and not counted as messages.
 */
export async function openNotifySocket(
  t: Test,
  address: string,
): Promise<NotifySocket> {
  const child = spawn('python3', ['test/fixtures/notify-socket.py', address], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const line = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error('the notify socket has ended')
    return value
  }
  const first = await line()
  if (first !== 'bound') throw new Error(first)
  return {
    next: async () => {
      for (;;) {
        const message = JSON.parse(await line()) as Notification
        if (message.assignments[0] !== 'BARRIER=1') return message
      }
    },
  }
}
