import { isMistake, type Finding } from '../api/report.ts'
import { isAtOrBelow } from './is-at-or-below.ts'
import type { SourceOptions } from './source.ts'

/** One mistake may give way to another in several steps: a broken file that is removed. */
const mendedMs = 500

export interface FindingsReportOptions extends Pick<
  SourceOptions,
  'clock' | 'report' | 'onMended'
> {
  readonly onChange?: () => void
}

/**
 * Tells each mistake once: again only when it was mended in between. A mistake is the same
 * when it moves to another line, because lines were added above it. It also tells when a path
 * that had mistakes has none any more, and no directory above it has.
 */
export class FindingsReport {
  readonly #options: FindingsReportOptions
  readonly #told = new Map<string, ReadonlyMap<string, Finding>>()
  readonly #mended = new Set<string>()
  #timer: { cancel(): void } | undefined

  constructor(options: FindingsReportOptions) {
    this.#options = options
  }

  /** How much is rejected at the moment. */
  get mistakes(): number {
    return [...this.#told.values()].flatMap(mistakesAmong).length
  }

  /** One that is rejected at the moment, of such an origin. */
  mistake(isMeant: (origin: string) => boolean): Finding | undefined {
    return [...this.#told]
      .flatMap(([origin, told]) => (isMeant(origin) ? [...told.values()] : []))
      .find(isMistake)
  }

  /** All that is to be said of this origin now; what was said and is not among it is mended. */
  set(origin: string, findings: readonly Finding[]): void {
    const { clock, report, onChange } = this.#options
    const before = this.#told.get(origin) ?? new Map<string, Finding>()
    const now = new Map<string, Finding>()
    for (const finding of findings) {
      const key = identity(finding)
      if (!now.has(key) && !before.has(key)) report(finding)
      now.set(key, finding)
    }
    if (now.size === 0) this.#told.delete(origin)
    else this.#told.set(origin, now)
    const wrong = mistakesAmong(before)
    for (const { position } of wrong) this.#mended.add(position.path)
    if (wrong.length > 0)
      this.#timer ??= clock.after(mendedMs, () => this.#tellMended())
    onChange?.()
  }

  close(): void {
    this.#timer?.cancel()
  }

  #tellMended(): void {
    this.#timer = undefined
    const wrong = [...this.#told.values()].flatMap(mistakesAmong)
    for (const path of this.#mended)
      if (!wrong.some(({ position }) => isAtOrBelow(path, position.path)))
        this.#options.onMended?.(path)
    this.#mended.clear()
  }
}

function mistakesAmong(told: ReadonlyMap<string, Finding>): readonly Finding[] {
  return [...told.values()].filter(isMistake)
}

function identity(finding: Finding): string {
  const { treatment, position, object, fieldPath, message } = finding
  const name = `${object?.kind} ${object?.namespace}/${object?.name}`
  return JSON.stringify([treatment, position.path, name, fieldPath, message])
}
