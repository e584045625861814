import type { Socket } from 'node:net'

/*
 * Datagrams over a stream:
 *
 *   length     2 bytes, the highest first
 *   datagram   `length` bytes
 */
const headBytes = 2

export function framed(datagram: Buffer): Buffer {
  const head = Buffer.alloc(headBytes)
  head.writeUInt16BE(datagram.length)
  return Buffer.concat([head, datagram])
}

export function eachDatagram(
  socket: Socket,
  listener: (datagram: Buffer) => void,
): void {
  let rest = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= headBytes) {
      const end = headBytes + rest.readUInt16BE()
      if (rest.length < end) break
      listener(rest.subarray(headBytes, end))
      rest = rest.subarray(end)
    }
  })
}
