import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Finding } from '../api/report.ts'
import { unreadable, unreadableFinding } from './errors.ts'
import type { FindingsReport } from './findings-report.ts'
import { errorCode } from '../util/error-code.ts'

/**
 * What stands in the way of reading, told once for each cause and not for each file: a closed
 * directory, no descriptor left.
 */
export class Obstacles {
  readonly #report: FindingsReport
  readonly #root: string
  readonly #wasRead: (path: string) => boolean
  readonly #found = new Map<string, readonly Finding[]>()

  /**
   * `root` is the place of what concerns the whole process; `wasRead`: something of this path
   * was read before, and stays.
   */
  constructor(
    report: FindingsReport,
    root: string,
    wasRead: (path: string) => boolean = () => true,
  ) {
    this.#report = report
    this.#root = root
    this.#wasRead = wasRead
  }

  /** All that is in the way of `origin` now: paths and errors. */
  set(origin: string, errors: ReadonlyMap<string, unknown>): void {
    if (errors.size === 0 && !this.#found.has(origin)) return
    if (errors.size === 0) this.#found.delete(origin)
    else
      this.#found.set(
        origin,
        [...errors].map(([path, error]) => this.#finding(path, error)),
      )
    this.#report.set('obstacles', [...this.#found.values()].flat())
  }

  #finding(path: string, error: unknown): Finding {
    const code = errorCode(error)
    const exhausted = code === 'EMFILE' || code === 'ENFILE'
    const place =
      code === 'EACCES' ? closedPlace(path) : exhausted ? this.#root : path
    return unreadableFinding(unreadable(place, error), this.#wasRead(place))
  }
}

/** The outermost directory on the way that may not be searched; else the path itself. */
function closedPlace(path: string): string {
  let place = path
  for (
    let directory = dirname(path);
    directory !== dirname(directory);
    directory = dirname(directory)
  ) {
    try {
      statSync(`${directory}/.`)
    } catch {
      place = directory
    }
  }
  return place
}
