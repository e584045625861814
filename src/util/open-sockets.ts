import type { Socket } from 'node:net'

/** The sockets that are open, to be closed together. An error of one is its 'close', no defect. */
export class OpenSockets {
  readonly #sockets = new Set<Socket>()

  add(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    // 'close' follows.
    socket.on('error', () => undefined)
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
