import { Transform, type TransformCallback } from 'node:stream'
import { CappedOutput } from './capped-output.ts'

/**
 * What unshare of util-linux 2.37 and 2.38 writes when its child has died of SIGKILL: it tries
 * to reset that signal's action before it sends it to itself, fails, and exits with 1.
 */
const notice = 'unshare: sigprocmask unblock failed: Invalid argument'
/** warn(3) writes it in pieces. Less of it than the first is not held back: it may be typed. */
const firstPiece = 'unshare: '

/** Enough for what a program of the chain says before it ends. */
const beginningBytes = 1024

/**
 * Passes a container's stderr on, without that notice. The monitor, unshare, shares it; its
 * notice is the last that is written, after the whole PID namespace has gone.
 */
export class MonitorStderr extends Transform {
  /** The notice was there: the program was killed. */
  killed = false
  readonly #beginning = new CappedOutput(beginningBytes)
  readonly #notice: Buffer
  #held = Buffer.alloc(0)

  /** `lineEnd`: a terminal's is another one. */
  constructor(lineEnd: '\n' | '\r\n' = '\n') {
    super()
    this.#notice = Buffer.from(notice + lineEnd)
  }

  /** The first that was said; reading it takes nothing from the stream. */
  get beginning(): string {
    return this.#beginning.toString()
  }

  override _transform(chunk: Buffer, _: string, done: TransformCallback): void {
    this.#beginning.add(chunk)
    const data = Buffer.concat([this.#held, chunk])
    const start = this.#noticeStart(data)
    this.#held = data.subarray(start)
    if (start > 0) this.push(data.subarray(0, start))
    done()
  }

  override _flush(done: TransformCallback): void {
    this.killed = this.#held.equals(this.#notice)
    if (!this.killed) this.push(this.#held)
    done()
  }

  /**
   * Where the data may end with the notice or its beginning, else the data's length. The
   * program's own last line, before it, may lack its end.
   */
  #noticeStart(data: Buffer): number {
    const start = data.lastIndexOf(firstPiece)
    const tail = data.subarray(start)
    return start >= 0 && this.#notice.subarray(0, tail.length).equals(tail)
      ? start
      : data.length
  }
}
