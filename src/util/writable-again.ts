import type { Writable } from 'node:stream'

/** Resolves when a stream that was full takes more, or when it takes nothing any more. */
export function writableAgain(stream: Writable): Promise<void> {
  return new Promise(resolve => {
    if (stream.closed) return resolve()
    const done = (): void => {
      stream.off('drain', done)
      stream.off('close', done)
      resolve()
    }
    stream.on('drain', done)
    stream.on('close', done)
  })
}
