import { visible } from '../util/visible.ts'

export type OutputStream = 'stdout' | 'stderr'

const newline = 0x0a
const maxLineBytes = 64 * 1024

/**
 * Turns what containers write into `LABEL | line` lines, labels padded to the longest, one
 * write per call so that lines of two containers never mix.
 *
 * A line that is not finished waits for its end; `end` completes it with a newline. A line
 * without an end for 64 KiB is given out in pieces of at most that, each a line of its own,
 * cut between two UTF-8 characters. Bytes that are no UTF-8 pass unchanged.
 */
export class OutputLines {
  readonly #write: (stream: OutputStream, lines: Buffer) => void
  readonly #pending = new Map<string, Buffer[]>()
  #labels: ReadonlyMap<string, string> = new Map()
  #width = 0

  constructor(write: (stream: OutputStream, lines: Buffer) => void) {
    this.#write = write
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
    const key = `${stream} ${source}`
    const end = chunk.lastIndexOf(newline)
    const pending = this.#pending.get(key) ?? []
    if (end === -1) {
      pending.push(chunk)
      this.#pending.set(key, pending)
      this.#flushLongLine(key, source, stream)
      return
    }
    const complete = Buffer.concat([...pending, chunk.subarray(0, end)])
    const rest = chunk.subarray(end + 1)
    if (rest.length === 0) this.#pending.delete(key)
    else this.#pending.set(key, [rest])
    const lines: Buffer[] = []
    for (const line of splitLines(complete)) lines.push(...pieces(line))
    this.#writeLines(source, stream, lines)
    this.#flushLongLine(key, source, stream)
  }

  /** The source has ended: completes what it left unfinished. */
  end(source: string): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const key = `${stream} ${source}`
      const rest = Buffer.concat(this.#pending.get(key) ?? [])
      this.#pending.delete(key)
      if (rest.length > 0) this.#writeLines(source, stream, pieces(rest))
    }
  }

  #flushLongLine(key: string, source: string, stream: OutputStream): void {
    const pending = this.#pending.get(key)
    if (pending === undefined) return
    const length = pending.reduce((sum, part) => sum + part.length, 0)
    if (length < maxLineBytes) return
    const all = pieces(Buffer.concat(pending))
    // The last piece may grow still, unless it is full.
    const last = all.at(-1)
    if (last !== undefined && last.length < maxLineBytes - 3) {
      this.#pending.set(key, [all.pop() as Buffer])
    } else {
      this.#pending.delete(key)
    }
    this.#writeLines(source, stream, all)
  }

  #writeLines(
    source: string,
    stream: OutputStream,
    lines: readonly Buffer[],
  ): void {
    const label = this.labelOf(source).padEnd(this.#width)
    const prefix = Buffer.from(`${label} | `)
    const parts = lines.flatMap(line => [prefix, line, Buffer.of(newline)])
    this.#write(stream, Buffer.concat(parts))
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

/** Of at most 64 KiB each; at least one, also of an empty line. */
function pieces(line: Buffer): Buffer[] {
  const parts: Buffer[] = []
  let rest = line
  while (rest.length > maxLineBytes) {
    const cut = characterBoundary(rest, maxLineBytes)
    parts.push(rest.subarray(0, cut))
    rest = rest.subarray(cut)
  }
  return [...parts, rest]
}

/** The last place at or before `limit` where a character begins; `limit` where none does. */
function characterBoundary(bytes: Buffer, limit: number): number {
  for (let cut = limit; cut > limit - 4; cut--) {
    const byte = bytes[cut]
    // 10xxxxxx continues a character.
    if (byte === undefined || (byte & 0xc0) !== 0x80) return cut
  }
  return limit
}
