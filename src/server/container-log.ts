/*
 * What a container has printed lately, in memory and nowhere else: it may hold secrets, and
 * podfs never writes those to a disk. A kubelet keeps up to 10 MiB in files; here the newest
 * MiB of each instance is kept, as in docs/differences.md, however short its lines are: an
 * object for each would cost more than the text. They are records in blocks of bytes:
 *
 *     milliseconds since the line before   zigzag varint (the clock may be set back)
 *     length of the text * 2 + isPartial   varint
 *     text                                 without its newline
 *
 * The oldest block goes as soon as the others have a MiB. So what is in memory is a MiB of text,
 * at most a block more, and for each line 2 bytes, or 3 when it came seconds after the one before:
 * 1.2 to 1.4 MiB of most logs, 2 to 3 of empty lines. `mostBlocks` is the limit in any case.
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
  readonly blocks: readonly LogBlock[]
  /** How many lines there ever were. */
  readonly count: number
  /** Of the last line. */
  readonly time: number
  readonly pending: ReadonlyMap<Stream, Buffer>
  readonly hasEnded: boolean
}

interface LogBlock {
  /** The number of its first line; lines are numbered from 0. */
  readonly first: number
  /** What the first line's time is relative to. */
  readonly time: number
  /** The records, `used` bytes of them. */
  readonly bytes: Buffer
  readonly used: number
  /** What its lines have as text, newlines included. */
  readonly text: number
}

type Block = { -readonly [K in keyof LogBlock]: LogBlock[K] }

/** Of text, of one instance. */
const maxBytes = 1024 * 1024
const blockBytes = 64 * 1024
/** A container that prints little is not to cost a whole block. */
const firstBytes = 512
const mostBlocks = 64
/** As containerd cuts them (`max_container_log_line_size`). */
const maxLineBytes = 16 * 1024
/** Two varints, each of a number below 2^53. */
const maxHeadBytes = 16
const newline = 0x0a

/** A line, and where the next one is; it stays valid when the lines before it are forgotten. */
interface Place {
  readonly block: Block
  readonly offset: number
  readonly number: number
  readonly time: number
}

/** The log of one instance of a container. */
export class ContainerLog {
  readonly #blocks: Block[] = []
  /** Of all blocks. */
  #text = 0
  readonly #pending = new Map<Stream, Buffer>()
  readonly #listeners = new Set<() => void>()
  /** How many lines there ever were. */
  #count = 0
  #time = 0
  #hasEnded = false
  /** Where the last look ended: who follows a log asks for what comes after it. */
  #last: Place | undefined

  /** The instance has gone and all it wrote has been read. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** The number of the next line; lines are numbered from 0. */
  get end(): number {
    return this.#count
  }

  push(stream: Stream, chunk: Buffer, time: number): void {
    const rest = cutLines(this.#pending.get(stream), chunk, (text, isPartial) =>
      this.#add(text, isPartial, time),
    )
    this.#pending.set(stream, rest)
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

  /**
   * The lines from that number on that are remembered at this moment, whatever is forgotten
   * while somebody goes through them; one at a time, since there may be a million.
   */
  since(number: number): Iterable<LogLine> {
    const start = this.#placeOf(number)
    // Records are only ever added behind `used`.
    const blocks = this.#blocks.map(block => ({ block, used: block.used }))
    return {
      [Symbol.iterator]: () => this.#lines(blocks, number, start),
    }
  }

  get state(): LogState {
    return {
      blocks: this.#blocks.map(block => ({
        ...block,
        bytes: block.bytes.subarray(0, block.used),
      })),
      count: this.#count,
      time: this.#time,
      pending: this.#pending,
      hasEnded: this.#hasEnded,
    }
  }

  /** Takes the place of what is remembered here. */
  goOnWith({ blocks, count, time, pending, hasEnded }: LogState): void {
    this.#blocks.splice(
      0,
      this.#blocks.length,
      ...blocks.map(block => ({ ...block })),
    )
    this.#text = blocks.reduce((sum, { text }) => sum + text, 0)
    this.#count = count
    this.#time = time
    this.#last = undefined
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
    const block = this.#blockFor(maxHeadBytes + text.length)
    const { bytes } = block
    const passed = time - this.#time
    let at = writeVarint(
      bytes,
      block.used,
      passed < 0 ? -passed * 2 - 1 : passed * 2,
    )
    at = writeVarint(bytes, at, text.length * 2 + (isPartial ? 1 : 0))
    text.copy(bytes, at)
    block.used = at + text.length
    const length = text.length + (isPartial ? 0 : 1)
    block.text += length
    this.#text += length
    this.#time = time
    this.#count++
    this.#forget()
  }

  /** The last block, with room for so many bytes. */
  #blockFor(room: number): Block {
    const last = this.#blocks.at(-1)
    if (last !== undefined && last.used + room <= last.bytes.length) return last
    if (last !== undefined && last.used + room <= blockBytes) {
      const wanted = Math.max(last.bytes.length * 2, last.used + room)
      const bytes = Buffer.allocUnsafeSlow(Math.min(wanted, blockBytes))
      last.bytes.copy(bytes, 0, 0, last.used)
      last.bytes = bytes
      return last
    }
    const block: Block = {
      first: this.#count,
      time: this.#time,
      // The first one of all grows; who has filled one will fill the next.
      bytes: Buffer.allocUnsafeSlow(
        last === undefined ? Math.max(firstBytes, room) : blockBytes,
      ),
      used: 0,
      text: 0,
    }
    this.#blocks.push(block)
    return block
  }

  #forget(): void {
    for (;;) {
      const [oldest] = this.#blocks
      if (oldest === undefined) return
      const isNeeded = this.#text - oldest.text < maxBytes
      if (isNeeded && this.#blocks.length <= mostBlocks) return
      this.#text -= oldest.text
      this.#blocks.shift()
    }
  }

  /** Where to begin to look for a line: not behind it. */
  #placeOf(number: number): Place | undefined {
    const last = this.#last
    const isThere = last !== undefined && this.#blocks.includes(last.block)
    if (isThere && last.number <= number) return last
    const block =
      this.#blocks.findLast(({ first }) => first <= number) ?? this.#blocks[0]
    return block && { block, offset: 0, number: block.first, time: block.time }
  }

  *#lines(
    blocks: readonly { readonly block: Block; readonly used: number }[],
    from: number,
    start: Place | undefined,
  ): Generator<LogLine> {
    if (start === undefined) return
    let { number, offset, time } = start
    const first = blocks.findIndex(({ block }) => block === start.block)
    for (const { block, used } of blocks.slice(first)) {
      if (block !== start.block) {
        offset = 0
        time = block.time
      }
      while (offset < used) {
        const { bytes } = block
        const passed = readVarint(bytes, offset)
        const length = readVarint(bytes, passed.end)
        time +=
          passed.value % 2 === 1 ? -(passed.value + 1) / 2 : passed.value / 2
        const isPartial = length.value % 2 === 1
        offset = length.end + Math.floor(length.value / 2)
        number++
        if (number <= from) continue
        this.#last = { block, offset, number, time }
        yield { time, text: bytes.subarray(length.end, offset), isPartial }
      }
    }
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }
}

/**
 * Calls back with each line of what has come, as a container run-time cuts them; gives what is left
 * for the next time. `before`: what was left the last time.
 */
export function cutLines(
  before: Buffer | undefined,
  chunk: Buffer,
  add: (text: Buffer, isPartial: boolean) => void,
): Buffer {
  let rest = before === undefined ? chunk : Buffer.concat([before, chunk])
  for (;;) {
    const at = rest.indexOf(newline)
    if (at === -1 && rest.length < maxLineBytes) break
    const isPartial = at === -1 || at > maxLineBytes
    const length = isPartial ? maxLineBytes : at
    add(rest.subarray(0, length), isPartial)
    rest = rest.subarray(isPartial ? length : length + 1)
  }
  // A copy: a view of a few bytes would keep the whole chunk.
  return Buffer.from(rest)
}

/** LEB128: seven bits a byte, the lowest first. Gives the offset behind it. */
function writeVarint(bytes: Buffer, offset: number, value: number): number {
  let at = offset
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80))
    bytes[at++] = (rest % 0x80) | 0x80
  bytes[at++] = rest
  return at
}

function readVarint(
  bytes: Buffer,
  offset: number,
): { readonly value: number; readonly end: number } {
  let value = 0
  let scale = 1
  for (let at = offset; ; at++) {
    const byte = bytes[at] ?? 0
    value += (byte & 0x7f) * scale
    scale *= 0x80
    if (byte < 0x80) return { value, end: at + 1 }
  }
}
