import type { Clock } from '../../util/clock.ts'
import { visible } from '../../util/visible.ts'

export type OutputStream = 'stdout' | 'stderr'

const newline = 0x0a

/** A line without an end is held back until nothing has come for this long. */
const silenceMs = 150
/** It is held back no longer than this in all: a progress line may never be silent. */
const maxHeldMs = 1000
/** No more of it than this is held back. */
const maxHeldBytes = 1024 * 1024

/** The line that a source has begun in one of its streams. */
interface Unfinished {
  readonly source: string
  readonly stream: OutputStream
  /** Not shown yet. */
  held: Buffer[]
  heldBytes: number
  /** By `elapsed`, when the first of them came. */
  heldSince: number
  /** Its beginning is shown, with a newline, because something else had to be written. */
  isCompleted: boolean
  timer?: { cancel(): void }
}

/**
 * Turns what containers write into `LABEL | line` lines, labels padded to the longest, one
 * write per call so that lines of two containers never mix.
 *
 * A line that is not finished waits for its end. When nothing more has come for 150 ms (a
 * prompt, a progress line), at the latest after a second, and when it has 1 MiB, what there is of
 * it is shown, and it goes on when more comes. As soon as another source or stream has a line, it is completed with a newline,
 * and goes on as a line of its own. `end` completes what is left. What is shown ends with a whole
 * UTF-8 character; bytes that are no UTF-8 pass unchanged.
 */
export class OutputLines {
  readonly #write: (stream: OutputStream, lines: Buffer) => void
  readonly #clock: Clock
  readonly #unfinished = new Map<string, Unfinished>()
  /** The one with whose beginning the output ends. */
  #open: Unfinished | undefined
  #mayStayOpen = true
  #labels: ReadonlyMap<string, string> = new Map()
  #width = 0

  constructor(
    write: (stream: OutputStream, lines: Buffer) => void,
    clock: Clock,
  ) {
    this.#write = write
    this.#clock = clock
  }

  /** What stands before the lines of each source from now on. */
  setLabels(labels: ReadonlyMap<string, string>): void {
    this.#labels = new Map(
      [...labels].map(([source, label]) => [source, visible(label)]),
    )
    this.#width = Math.max(
      0,
      ...[...this.#labels.values()].map(({ length }) => length),
    )
  }

  labelOf(source: string): string {
    return this.#labels.get(source) ?? visible(source)
  }

  push(source: string, stream: OutputStream, chunk: Buffer): void {
    const line = this.#lineOf(source, stream)
    line.timer?.cancel()
    const end = chunk.lastIndexOf(newline)
    if (end !== -1) this.#finish(line, chunk.subarray(0, end))
    this.#hold(line, chunk.subarray(end + 1))
    if (line.heldBytes === 0) return
    if (line === this.#open || line.heldBytes >= maxHeldBytes)
      return this.#show(line)
    const left = line.heldSince + maxHeldMs - this.#clock.elapsed()
    line.timer = this.#clock.after(Math.min(silenceMs, left), () =>
      this.#show(line),
    )
  }

  /** The source has ended: completes what it left unfinished. */
  end(source: string): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const line = this.#lineOf(source, stream)
      line.timer?.cancel()
      if (line.heldBytes > 0 || line === this.#open)
        this.#finish(line, Buffer.alloc(0))
      this.#unfinished.delete(`${stream} ${source}`)
    }
  }

  /** Something else is about to be written where the output is seen. */
  interrupt(): void {
    if (this.#open === undefined) return
    const { stream } = this.#open
    this.#open.isCompleted = true
    this.#open = undefined
    this.#write(stream, Buffer.of(newline))
  }

  /** From now on something else may be written at any time. */
  keepInterrupted(): void {
    this.interrupt()
    this.#mayStayOpen = false
  }

  #lineOf(source: string, stream: OutputStream): Unfinished {
    const key = `${stream} ${source}`
    const known = this.#unfinished.get(key)
    if (known !== undefined) return known
    const line: Unfinished = {
      source,
      stream,
      held: [],
      heldBytes: 0,
      heldSince: 0,
      isCompleted: false,
    }
    this.#unfinished.set(key, line)
    return line
  }

  #hold(line: Unfinished, bytes: Buffer): void {
    if (bytes.length === 0) return
    if (line.heldBytes === 0) line.heldSince = this.#clock.elapsed()
    line.held.push(bytes)
    line.heldBytes += bytes.length
  }

  #release(line: Unfinished): Buffer {
    const bytes = Buffer.concat(line.held)
    line.held = []
    line.heldBytes = 0
    return bytes
  }

  /** The line, and perhaps more lines after it, up to the last newline, which is not in `bytes`. */
  #finish(line: Unfinished, bytes: Uint8Array): void {
    const lines = splitLines(Buffer.concat([this.#release(line), bytes]))
    const [first = Buffer.alloc(0), ...others] = lines
    const parts: Buffer[] = []
    if (line === this.#open) parts.push(first, Buffer.of(newline))
    // Its newline is there already.
    else if (!line.isCompleted || first.length > 0)
      parts.push(this.#prefix(line), first, Buffer.of(newline))
    for (const each of others)
      parts.push(this.#prefix(line), each, Buffer.of(newline))
    if (line === this.#open) this.#open = undefined
    line.isCompleted = false
    if (parts.length === 0) return
    this.interrupt()
    this.#write(line.stream, Buffer.concat(parts))
  }

  /** What there is of a line that has no end yet. */
  #show(line: Unfinished): void {
    const bytes = this.#release(line)
    const cut = wholeCharacters(bytes)
    this.#hold(line, bytes.subarray(cut))
    if (cut === 0) return
    const parts: Buffer[] = [bytes.subarray(0, cut)]
    if (line !== this.#open) {
      this.interrupt()
      parts.unshift(this.#prefix(line))
    }
    if (this.#mayStayOpen) {
      this.#open = line
      line.isCompleted = false
    } else {
      line.isCompleted = true
      parts.push(Buffer.of(newline))
    }
    this.#write(line.stream, Buffer.concat(parts))
  }

  #prefix({ source }: Unfinished): Buffer {
    return Buffer.from(`${this.labelOf(source).padEnd(this.#width)} | `)
  }
}

function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let start = 0
  for (;;) {
    const end = bytes.indexOf(newline, start)
    if (end === -1) return [...lines, bytes.subarray(start)]
    lines.push(bytes.subarray(start, end))
    start = end + 1
  }
}

/** The length without a UTF-8 character at the end that may go on. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    // 10xxxxxx continues a character.
    if ((byte & 0xc0) === 0x80) continue
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return size > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}
