import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { maxFileBytes } from './lifecycle/termination-message.ts'

/** Of one instance of a container. */
export interface TerminationLog {
  /** The end of it, and removes it. Empty where there is no file; why it cannot be read, if so. */
  read(): Buffer
  remove(): void
}

/**
 * The files that are bound at terminationMessagePath, one for each instance of a container: empty,
 * and for any user to write (makeMounts, pkg/kubelet/kuberuntime/kuberuntime_container.go). They
 * are few and small, and made without the thread pool, where each would wait for its turn.
 */
export class TerminationLogs {
  readonly #directory: string
  readonly #instances = new Map<string, number>()
  readonly #made = new Set<string>()

  /** On the host, of one Pod; made if need be. */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** The path of the file for the container's next instance, which exists. */
  next(container: string): string {
    const path = this.#path(container)
    if (this.#made.has(path)) return path
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    writeFileSync(path, '')
    // The umask must not count.
    chmodSync(path, 0o666)
    this.#made.add(path)
    return path
  }

  /** The next instance is about to begin: the file is its own, the one after gets another. */
  take(container: string): TerminationLog {
    const path = this.#path(container)
    this.#made.delete(path)
    this.#instances.set(container, (this.#instances.get(container) ?? 0) + 1)
    const remove = (): void => rmSync(path, { recursive: true, force: true })
    return {
      read: () => {
        try {
          return readEnd(path)
        } catch (error) {
          return Buffer.from(
            `Error on reading termination log: ${String(error)}`,
          )
        } finally {
          remove()
        }
      },
      remove,
    }
  }

  #path(container: string): string {
    const instance = this.#instances.get(container) ?? 0
    return join(this.#directory, `${container}.${instance}`)
  }
}

/** Whatever stands there by now: no link is followed, and no FIFO or device waited for. */
function readEnd(path: string): Buffer {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true)
    return Buffer.alloc(0)
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  const file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const { size } = fstatSync(file)
    const end = Buffer.alloc(Math.min(size, maxFileBytes))
    const read = readSync(file, end, 0, end.length, size - end.length)
    return end.subarray(0, read)
  } finally {
    closeSync(file)
  }
}
