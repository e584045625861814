import { isMistake, type Finding } from '../api/report.ts'
import type { SourceOptions } from './source.ts'

export interface FindingsReportOptions extends Pick<
  SourceOptions,
  'report' | 'onMended'
> {
  readonly onChange?: () => void
}

/**
 * Tells each mistake once: again only when it was mended in between. A mistake is the same
 * when it moves to another line, because lines were added above it. Tells, too, when a path
 * that had mistakes has none any more.
 */
export class FindingsReport {
  readonly #options: FindingsReportOptions
  readonly #told = new Map<string, ReadonlyMap<string, Finding>>()

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
    const { report, onMended, onChange } = this.#options
    const before = this.#told.get(origin) ?? new Map<string, Finding>()
    const now = new Map<string, Finding>()
    for (const finding of findings) {
      const key = identity(finding)
      if (!now.has(key) && !before.has(key)) report(finding)
      now.set(key, finding)
    }
    if (now.size === 0) this.#told.delete(origin)
    else this.#told.set(origin, now)
    for (const path of pathsOf(mistakesAmong(before)))
      if (!this.#isWrong(path)) onMended?.(path)
    onChange?.()
  }

  #isWrong(path: string): boolean {
    return [...this.#told.values()].some(told =>
      mistakesAmong(told).some(({ position }) => position.path === path),
    )
  }
}

function mistakesAmong(told: ReadonlyMap<string, Finding>): readonly Finding[] {
  return [...told.values()].filter(isMistake)
}

function pathsOf(mistakes: readonly Finding[]): ReadonlySet<string> {
  return new Set(mistakes.map(({ position }) => position.path))
}

function identity(finding: Finding): string {
  const { treatment, position, object, fieldPath, message } = finding
  const name = `${object?.kind} ${object?.namespace}/${object?.name}`
  return JSON.stringify([treatment, position.path, name, fieldPath, message])
}
