import type { Socket } from 'node:net'
import type { Wire } from './wire.ts'

/*
 * channel   1 byte
 * length    4 bytes, the highest first
 * message   `length` bytes
 */
const headBytes = 5

/** A wire over a socket between two processes of podfs. */
export function framedSocket(socket: Socket): Wire {
  // 'close' follows.
  socket.on('error', () => undefined)
  const gone = new Promise<void>(resolve =>
    socket.once('close', () => resolve()),
  )
  let reading = Promise.resolve()
  return {
    // Of what has come by then, all is handed on.
    closed: gone.then(() => reading),
    send: (channel, bytes) =>
      new Promise(resolve => {
        const head = Buffer.alloc(headBytes)
        head.writeUInt8(channel)
        head.writeUInt32BE(bytes.length, 1)
        socket.write(Buffer.concat([head, bytes]), () => resolve())
      }),
    receive: listener => {
      reading = read(socket, async (channel, bytes) => {
        const taken = listener(channel, bytes)
        if (taken !== undefined) await Promise.race([taken, gone])
      }).catch(() => {
        socket.destroy()
      })
    },
    close: () => {
      socket.end()
    },
    drop: () => {
      socket.destroy()
    },
  }
}

async function read(
  socket: Socket,
  listener: Parameters<Wire['receive']>[0],
): Promise<void> {
  let rest = Buffer.alloc(0)
  for await (const chunk of socket) {
    rest = Buffer.concat([rest, chunk as Buffer])
    while (rest.length >= headBytes) {
      const end = headBytes + rest.readUInt32BE(1)
      if (rest.length < end) break
      await listener(rest.readUInt8(), rest.subarray(headBytes, end))
      rest = rest.subarray(end)
    }
  }
}
