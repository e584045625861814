/*
 * Logs of containers as files in the format of the CRI (pkg/kubelet/kuberuntime/logs/logs.go of
 * Kubernetes reads it), as a kubelet has them:
 *
 *     STATE/pods/NAMESPACE_NAME_UID/CONTAINER/N.log             of its Nth run, from 0
 *     STATE/pods/NAMESPACE_NAME_UID/CONTAINER/N.log.TIME        what was too much for one file
 *     STATE/containers/NAME_NAMESPACE_CONTAINER-ID.log          a link to the N.log of a run
 *
 * A line each: when it came, from where, whether it is whole (F) or goes on (P), and the text.
 * This is where they are, and how they are read; pods/log-writer.ts writes them.
 */
import { type FSWatcher, watch } from 'node:fs'
import {
  type FileHandle,
  open,
  readdir,
  readlink,
  stat,
} from 'node:fs/promises'
import path from 'node:path'
import type { Pod } from '../api/types.ts'
import { hasCode } from '../util/error-code.ts'
import type { LogLine } from './container-log.ts'
import type { LogReader } from './pod-log.ts'

const newline = 0x0a
const readBytes = 64 * 1024

/** Of one run of a Pod; `state`: podfs's own directory for what outlives it. */
export function podLogDirectory(state: string, { metadata }: Pod): string {
  const { namespace, name, uid } = metadata
  return path.join(state, 'pods', `${namespace}_${name}_${uid}`)
}

/** The link to the log of one run of a container. */
export function logLink(
  state: string,
  { metadata }: Pod,
  container: string,
  containerID: string,
): string {
  const { namespace, name } = metadata
  const id = containerID.replace(/^\w+:\/\//, '')
  const file = `${name}_${namespace}_${container}-${id}.log`
  return path.join(state, 'containers', file)
}

const space = 0x20
const partial = 'P'.charCodeAt(0)
const full = 'F'.charCodeAt(0)

/** Of `TIME STREAM F|P TEXT`, without its newline; undefined of anything else. */
function parseLogLine(line: Buffer): LogLine | undefined {
  const time = line.indexOf(space)
  const stream = line.indexOf(space, time + 1)
  const tag = line[stream + 1]
  const isLine =
    time !== -1 &&
    stream !== -1 &&
    (tag === partial || tag === full) &&
    line[stream + 2] === space
  if (!isLine) return undefined
  return {
    time: Date.parse(line.toString('latin1', 0, time)),
    text: line.subarray(stream + 3),
    isPartial: tag === partial,
  }
}

/** The run whose log it is. */
export interface LoggedRun {
  /** Nothing more will be written. */
  hasEnded(): boolean
  /** Calls back when that may have become so. */
  watch(listener: () => void): () => void
}

/** Undefined when there is no file of it any more. */
export async function openLogFiles(
  link: string,
  run: LoggedRun,
): Promise<LogReader | undefined> {
  try {
    const current = await readlink(link)
    return await LogFiles.open(current, run)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** A file at the moment at which somebody begins to read. */
interface Part {
  readonly file: FileHandle
  readonly ino: number
  size: number
}

class LogFiles implements LogReader {
  readonly #current: string
  readonly #run: LoggedRun
  readonly #parts: readonly Part[]

  static async open(current: string, run: LoggedRun): Promise<LogFiles> {
    const parts: Part[] = []
    for (const file of await filesOf(current)) {
      const part = await openPart(file)
      // Two looks at one file, which was renamed between them.
      if (part !== undefined && parts.every(({ ino }) => ino !== part.ino))
        parts.push(part)
      else await part?.file.close()
    }
    return new LogFiles(current, run, parts)
  }

  private constructor(current: string, run: LoggedRun, parts: readonly Part[]) {
    this.#current = current
    this.#run = run
    this.#parts = parts
  }

  async *lines(): AsyncGenerator<LogLine> {
    for (const { file, size } of this.#parts)
      yield* linesIn(file, { from: 0, to: size })
  }

  async *more(reader: AbortSignal): AsyncGenerator<LogLine> {
    let part = this.#parts.at(-1)
    let from = part?.size ?? 0
    const changes = new Changes(path.dirname(this.#current))
    const unwatch = this.#run.watch(changes.note)
    reader.addEventListener('abort', changes.note)
    try {
      while (!reader.aborted) {
        const seen = changes.count
        const isOver = this.#run.hasEnded()
        if (part !== undefined) {
          const { size } = await part.file.stat()
          yield* linesIn(part.file, { from, to: size })
          from = size
        }
        const next = await this.#after(part)
        if (next !== undefined) {
          // What was written before it got its new name.
          if (part !== undefined) {
            const { size } = await part.file.stat()
            yield* linesIn(part.file, { from, to: size })
            await part.file.close()
          }
          part = next
          from = 0
        } else if (isOver) return
        else await changes.after(seen)
      }
    } finally {
      unwatch()
      changes.close()
      if (part !== this.#parts.at(-1)) await part?.file.close()
    }
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#parts.map(({ file }) => file.close().catch(() => undefined)),
    )
  }

  /** The file that comes after one; the oldest where that is gone already. */
  async #after(part: Part | undefined): Promise<Part | undefined> {
    const files = await filesOf(this.#current)
    const inos = await Promise.all(
      files.map(async file => (await stat(file).catch(() => undefined))?.ino),
    )
    const at = part === undefined ? -1 : inos.indexOf(part.ino)
    if (at === files.length - 1 && at !== -1) return undefined
    const next = files[at + 1]
    return next === undefined ? undefined : await openPart(next)
  }
}

/** The oldest first. */
async function filesOf(current: string): Promise<readonly string[]> {
  const name = path.basename(current)
  const directory = path.dirname(current)
  const names = await readdir(directory).catch(() => [])
  const rotated = names.filter(each => each.startsWith(`${name}.`)).sort()
  return [...rotated, ...names.filter(each => each === name)].map(each =>
    path.join(directory, each),
  )
}

async function openPart(name: string): Promise<Part | undefined> {
  try {
    const file = await open(name)
    const { ino, size } = await file.stat()
    return { file, ino, size }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Each is written at once, so a file ends with a whole one. */
async function* linesIn(
  file: FileHandle,
  { from, to }: { readonly from: number; readonly to: number },
): AsyncGenerator<LogLine> {
  let rest = Buffer.alloc(0)
  for (let at = from; at < to;) {
    const chunk = Buffer.allocUnsafe(Math.min(readBytes, to - at))
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) return
    at += bytesRead
    rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)])
    for (;;) {
      const end = rest.indexOf(newline)
      if (end === -1) break
      const line = parseLogLine(rest.subarray(0, end))
      if (line !== undefined) yield line
      rest = rest.subarray(end + 1)
    }
  }
}

/** Counts what happens, in a directory and elsewhere. */
class Changes {
  count = 0
  readonly note = (): void => {
    this.count += 1
    this.#tell()
  }
  readonly #watcher: FSWatcher
  #tell: () => void = () => undefined

  constructor(directory: string) {
    this.#watcher = watch(directory, this.note).on('error', this.note)
  }

  async after(seen: number): Promise<void> {
    if (this.count === seen)
      await new Promise<void>(resolve => (this.#tell = resolve))
  }

  close(): void {
    this.#watcher.close()
  }
}
