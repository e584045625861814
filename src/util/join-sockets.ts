import type { Socket } from 'node:net'

/** What one side ends the other one hears of; what breaks is broken for both. */
export function joinSockets(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => breakOff(to))
    from.once('close', () => {
      if (!from.readableEnded) to.destroy()
    })
    from.pipe(to)
  }
}

/** As a port at which nobody listens, where it is one. */
export function breakOff(socket: Socket): void {
  // A unix socket has no reset, and Node throws.
  if (socket.remoteFamily === undefined) socket.destroy()
  else socket.resetAndDestroy()
}
