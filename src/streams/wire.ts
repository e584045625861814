/**
 * Messages to and from another process, each in a numbered channel, in their order. A WebSocket
 * is one (web-socket-wire.ts), and a socket of podfs's own (framed-socket.ts).
 */
export interface Wire {
  /** Resolves when it is on its way, or when nobody is there any more. */
  send(channel: number, bytes: Uint8Array): Promise<void>
  /**
   * Hands on what comes, the next message only when the promise of the one before has settled.
   * Until it is called nothing is read. Once.
   */
  receive(
    listener: (channel: number, bytes: Buffer) => Promise<void> | undefined,
  ): void
  /** Resolves when the other side is gone, whatever the reason. */
  readonly closed: Promise<void>
  /** What was sent still arrives. */
  close(): void
  /** At once, whatever is on its way. */
  drop(): void
}
