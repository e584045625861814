import type { RawData, WebSocket } from 'ws'
import type { Wire } from './wire.ts'

/** A wire over a WebSocket: each message begins with the byte of its channel. */
export function webSocketWire(socket: WebSocket): Wire {
  const gone = new Promise<void>(resolve =>
    socket.once('close', () => resolve()),
  )
  // 'close' follows.
  socket.on('error', () => undefined)
  let handled = Promise.resolve()
  socket.pause()
  return {
    // Of what has come by then, all is handed on.
    closed: gone.then(() => handled),
    send: (channel, bytes) =>
      new Promise(resolve =>
        socket.send(Buffer.concat([Buffer.of(channel), bytes]), () =>
          resolve(),
        ),
      ),
    receive: listener => {
      let waiting = 0
      const handOn = async (message: Buffer): Promise<void> => {
        const taken = listener(message.readUInt8(), message.subarray(1))
        if (taken !== undefined) await Promise.race([taken, gone])
        waiting -= 1
        if (waiting === 0) socket.resume()
      }
      socket.on('message', (data: RawData) => {
        const message = bytesOf(data)
        if (message.length === 0) return
        waiting += 1
        socket.pause()
        handled = handled.then(() => handOn(message))
      })
      socket.resume()
    },
    close: () => {
      // "normal closure" (RFC 6455, 7.4.1); without a word kubectl takes it for an accident.
      socket.close(1000)
    },
    drop: () => {
      socket.terminate()
    },
  }
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data)
  return Buffer.isBuffer(data) ? data : Buffer.from(data)
}
