/**
 * What a container has printed lately, in memory and nowhere else: it may hold secrets, and
 * podfs never writes those to a disk. A kubelet keeps up to 10 MiB in files; here the newest
 * MiB of each instance is kept, as in docs/differences.md.
 */
export interface LogLine {
  /** Milliseconds since 1970. */
  readonly time: number
  readonly text: Buffer
  /** The line goes on in the next entry. */
  readonly isPartial: boolean
}

type Stream = 'stdout' | 'stderr'

/** All that a log has, as plain data: another one goes on with it. */
export interface LogState {
  readonly lines: readonly LogLine[]
  /** How many lines there ever were. */
  readonly count: number
  readonly pending: ReadonlyMap<Stream, Buffer>
  readonly hasEnded: boolean
}

/** Of one instance, with what each line costs beside its text. */
const maxBytes = 1024 * 1024
const lineOverhead = 128
/** As containerd cuts them (`max_container_log_line_size`). */
const maxLineBytes = 16 * 1024
const newline = 0x0a
const forgotten: LogLine = { time: 0, text: Buffer.alloc(0), isPartial: false }

/** The log of one instance of a container. */
export class ContainerLog {
  readonly #lines: LogLine[] = []
  /** Lines before this one are forgotten; they are cut off now and then. */
  #first = 0
  #bytes = 0
  readonly #pending = new Map<Stream, Buffer>()
  readonly #listeners = new Set<() => void>()
  /** How many lines there ever were. */
  #count = 0
  #hasEnded = false

  /** The instance has gone and all it wrote has been read. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** The number of the next line; lines are numbered from 0. */
  get end(): number {
    return this.#count
  }

  push(stream: Stream, chunk: Buffer, time: number): void {
    let rest = Buffer.concat([
      this.#pending.get(stream) ?? Buffer.alloc(0),
      chunk,
    ])
    for (;;) {
      const at = rest.indexOf(newline)
      if (at === -1 && rest.length < maxLineBytes) break
      const isPartial = at === -1 || at > maxLineBytes
      const length = isPartial ? maxLineBytes : at
      this.#add(rest.subarray(0, length), isPartial, time)
      rest = rest.subarray(isPartial ? length : length + 1)
    }
    // A copy: a view of a few bytes would keep the whole chunk.
    this.#pending.set(stream, Buffer.from(rest))
    this.#notify()
  }

  /** A last line without a newline becomes one. */
  close(time: number): void {
    for (const rest of this.#pending.values())
      if (rest.length > 0) this.#add(rest, false, time)
    this.#pending.clear()
    this.#hasEnded = true
    this.#notify()
  }

  /** The lines from that number on that are still remembered. */
  since(number: number): readonly LogLine[] {
    const oldest = this.#count - (this.#lines.length - this.#first)
    return this.#lines.slice(this.#first + Math.max(number - oldest, 0))
  }

  get state(): LogState {
    return {
      lines: this.#lines.slice(this.#first),
      count: this.#count,
      pending: this.#pending,
      hasEnded: this.#hasEnded,
    }
  }

  /** Takes the place of what is remembered here. */
  goOnWith({ lines, count, pending, hasEnded }: LogState): void {
    this.#lines.splice(0, this.#lines.length, ...lines)
    this.#first = 0
    this.#bytes = lines.reduce(
      (sum, { text }) => sum + text.length + lineOverhead,
      0,
    )
    this.#count = count
    this.#pending.clear()
    for (const [stream, rest] of pending) this.#pending.set(stream, rest)
    this.#hasEnded = hasEnded
    this.#notify()
  }

  /** Calls back when there is more, and at the end. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #add(text: Buffer, isPartial: boolean, time: number): void {
    this.#lines.push({ time, text: Buffer.from(text), isPartial })
    this.#count++
    this.#bytes += text.length + lineOverhead
    while (this.#bytes > maxBytes) {
      const dropped = this.#lines[this.#first]
      if (dropped === undefined) break
      this.#bytes -= dropped.text.length + lineOverhead
      this.#lines[this.#first] = forgotten
      this.#first++
    }
    // Cut off in one go: `shift` at each line would move all the others each time.
    if (this.#first > 1024 && this.#first > this.#lines.length / 2) {
      this.#lines.splice(0, this.#first)
      this.#first = 0
    }
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }
}
