import { finished } from 'node:stream/promises'
import { PassThrough, type Readable, Writable } from 'node:stream'
import type {
  ContainerStreams,
  StreamsEnd,
  StreamsRequest,
} from '../../streams/container-streams.ts'
import { deferred } from '../../util/deferred.ts'
import { inBackground } from '../../util/in-background.ts'
import type { ContainerIo } from './container-io.ts'

/** Somebody who reads that much slower than the container writes is let go. */
const behindBytes = 4 * 1024 * 1024

/**
 * The container's own streams, from now on, for one of those who want them. Nobody holds up the
 * container, nor its log. `inputEnds`: the container's input ends with this one's.
 */
export function attach(
  io: Pick<ContainerIo, 'stdin' | 'stdout' | 'stderr' | 'resize'>,
  { stdin, stdout, stderr }: StreamsRequest,
  {
    exited,
    inputEnds,
  }: { readonly exited: Promise<unknown>; readonly inputEnds: boolean },
): ContainerStreams {
  const ended = deferred<StreamsEnd>()
  inBackground(exited.then(() => ended.resolve({ exitCode: 0 })))
  const copies: Copy[] = []
  const copy = (from: Readable): PassThrough => {
    const made = new Copy(from, () =>
      ended.resolve({ error: 'it was not read as fast as it was written' }),
    )
    copies.push(made)
    return made.to
  }
  const input =
    stdin && io.stdin !== undefined ? inputTo(io.stdin, inputEnds) : undefined
  return {
    ...(input ? { stdin: input } : {}),
    ...(stdout ? { stdout: copy(io.stdout) } : {}),
    ...(stderr ? { stderr: copy(io.stderr) } : {}),
    resize: size => io.resize(size),
    ended: ended.promise,
    hangUp: () => {
      for (const each of copies) each.end()
      input?.end()
    },
  }
}

class Copy {
  readonly to = new PassThrough()
  readonly #from: Readable
  readonly #onBehind: () => void

  constructor(from: Readable, onBehind: () => void) {
    this.#from = from
    this.#onBehind = onBehind
    from.on('data', this.#push)
    inBackground(
      finished(from, { writable: false })
        .catch(() => undefined)
        .then(() => this.end()),
    )
  }

  readonly #push = (chunk: Buffer): void => {
    this.to.write(chunk)
    if (this.to.writableLength <= behindBytes) return
    this.#onBehind()
    this.end()
  }

  end(): void {
    this.#from.off('data', this.#push)
    this.to.end()
  }
}

/** It waits for the container's; its end need not be that one's. */
function inputTo(to: Writable, ends: boolean): Writable {
  return new Writable({
    write: (chunk: Buffer, _, done) => {
      if (to.destroyed || to.writableEnded) return done()
      to.write(chunk, () => done())
    },
    final: done => {
      if (ends) to.end()
      done()
    },
  })
}
