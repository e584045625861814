import type { Finding } from '../api/report.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../util/clock.ts'
import type { AgeIdentities } from './encryption/age-identities.ts'

/** Where objects come from: it keeps the store equal to what it reads. */
export interface Source {
  /**
   * The first complete read is done and in the store, its mistakes reported. Rejects with a
   * SourceError when a PATH cannot be read, or not be watched.
   */
  start(): Promise<void>
  /** All of it is read, without a mistake, and nothing is empty that may have been more. */
  readonly isSound: boolean
  /** How many there are at the moment; what they concern keeps its last good state. */
  readonly mistakes: number
  close(): Promise<void>
}

export interface SourceOptions {
  readonly store: Store
  readonly clock: Clock
  /** For objects that name none. */
  readonly namespace: string
  /** The keys for encrypted files. */
  readonly identities: AgeIdentities
  /** Each mistake once, until it is mended and made again. */
  readonly report: (finding: Finding) => void
  /** A file or directory that mistakes were reported of has none any more. */
  readonly onMended?: ((path: string) => void) | undefined
  /** False: read once. */
  readonly watch: boolean
}

/** Several as one, started one after the other: of two that have one object the first is served. */
export function together(sources: readonly Source[]): Source {
  return {
    async start() {
      for (const source of sources) await source.start()
    },
    get isSound() {
      return sources.every(({ isSound }) => isSound)
    },
    get mistakes() {
      return sources.reduce((sum, { mistakes }) => sum + mistakes, 0)
    },
    async close() {
      for (const source of sources) await source.close()
    },
  }
}
