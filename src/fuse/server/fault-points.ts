/**
 * For tests alone: a server that dies at one exact point of one request. PODFS_TEST_FAULTS
 * names a file that says which, such as `recorded 3`: when the third change from now on is in
 * the journal and not yet answered. `every 17`, `every replayed`: at each request with that
 * opcode, or each time, for as long as the file is there. The keeper passes no variable of the user's on.
 */
import { readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'

export type FaultPoint =
  /** A successor: its tree is replayed; the same and RESEND is written. */
  | 'replayed'
  | 'resent'
  /** Read, nothing done yet. */
  | 'read'
  /** Read, and never done with: an endless loop. */
  | 'hang'
  /** Changed, not yet in the journal. */
  | 'changed'
  /** Half of the record is in the journal. */
  | 'torn'
  /** In the journal, not yet answered. */
  | 'recorded'
  /** A change is answered. */
  | 'replied'
  /** Before each write of a compaction, and in the middle of it. */
  | 'compact-before'
  | 'compact-torn'

export class FaultPoints {
  readonly #file: string
  compacting = false
  #isChange = false

  constructor(file: string) {
    this.#file = file
  }

  static fromEnvironment(): FaultPoints | undefined {
    const file = process.env['PODFS_TEST_FAULTS']
    return file === undefined ? undefined : new FaultPoints(file)
  }

  /** With every change, so that a compaction need not be waited for. */
  get wantsCompaction(): boolean {
    return this.#armed().startsWith('compact')
  }

  /** As if the kernel was older than 6.9. */
  get pretendsNoResend(): boolean {
    return this.#armed() === 'no-resend'
  }

  at(point: FaultPoint): void {
    if (point === 'read') this.#isChange = false
    if (point === 'changed') this.#isChange = true
    if (point === 'replied' && !this.#isChange) return
    if (this.#isReached(point)) die()
  }

  /** Ends by SIGKILL alone. */
  hang(): void {
    // oxlint-disable-next-line no-empty
    if (this.#isReached('hang')) for (;;) {}
  }

  /** Read, nothing done yet. */
  atRequest(opcode: number): void {
    if (this.#armed() === `every ${opcode}`) die()
  }

  readonly write = ((
    file: number,
    bytes: Buffer,
    offset: number,
    length: number,
    position: number,
  ): number => {
    if (this.compacting) this.at('compact-before')
    if (this.#isReached(this.compacting ? 'compact-torn' : 'torn')) {
      writeSync(file, bytes, offset, length >> 1, position)
      die()
    }
    return writeSync(file, bytes, offset, length, position)
  }) as typeof writeSync

  #armed(): string {
    try {
      return readFileSync(this.#file, 'latin1')
    } catch {
      return ''
    }
  }

  #isReached(point: FaultPoint): boolean {
    const [armed, count] = this.#armed().split(' ')
    if (armed === 'every' && count === point) return true
    if (armed !== point) return false
    if (Number(count) > 1) {
      writeFileSync(this.#file, `${point} ${Number(count) - 1}`)
      return false
    }
    rmSync(this.#file)
    return true
  }
}

function die(): void {
  process.kill(process.pid, 'SIGKILL')
}
