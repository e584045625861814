import type { Container } from '../../api/types.ts'
import type { OutputStream } from './output-lines.ts'

/*
 * The last word of a container (getTerminationMessage and readLastStringFromContainerLogs,
 * pkg/kubelet/kuberuntime/kuberuntime_container.go; docs/kubernetes.md#termination-message).
 */

/** How much of the end of its file counts. */
export const maxFileBytes = 4096

/** How much of the end of its log. */
const maxLogBytes = 2048
const maxLogLines = 80

const newline = 0x0a

/**
 * `file` is the end of what stands at terminationMessagePath; `log` that of what it has written,
 * where its policy is FallbackToLogsOnError. Undefined: it has nothing to say.
 */
export function terminationMessage(
  exitCode: number,
  file: Buffer,
  log: Buffer | undefined,
): string | undefined {
  const said = file.length === 0 && exitCode !== 0 ? log : file
  return said === undefined || said.length === 0 ? undefined : said.toString()
}

/** Undefined where nobody will ask for it. */
export function logTailOf(container: Container): LogTail | undefined {
  return container.terminationMessagePolicy === 'FallbackToLogsOnError'
    ? new LogTail()
    : undefined
}

/**
 * The end of a log, of what comes through both streams: lines stand in it as they were finished,
 * and those that never were at its end.
 */
export class LogTail {
  #lines = Buffer.alloc(0)
  readonly #unfinished = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }

  push(stream: OutputStream, chunk: Buffer): void {
    const end = chunk.lastIndexOf(newline) + 1
    const begun = this.#unfinished[stream]
    if (end === 0) {
      this.#unfinished[stream] = endOf(begun, chunk)
      return
    }
    this.#lines = endOf(this.#lines, begun, chunk.subarray(0, end))
    this.#unfinished[stream] = endOf(chunk.subarray(end))
  }

  text(): Buffer {
    const { stdout, stderr } = this.#unfinished
    const text = endOf(this.#lines, stdout, stderr)
    let start = text.length
    // The newline before it ends a line, and is not the beginning of another.
    for (let lines = 0; lines < maxLogLines && start > 0; lines += 1)
      start = start === 1 ? 0 : text.lastIndexOf(newline, start - 2) + 1
    return text.subarray(start)
  }
}

/** A copy, so that what it is the end of need not stay in memory. */
function endOf(...parts: readonly Buffer[]): Buffer<ArrayBuffer> {
  const ends = parts.map(part => part.subarray(-maxLogBytes))
  return Buffer.from(Buffer.concat(ends).subarray(-maxLogBytes))
}
