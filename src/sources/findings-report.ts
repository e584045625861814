import { isMistake, type Finding } from '../api/report.ts'

/**
 * Tells each mistake once: again only when it was mended in between. A mistake is the same
 * when it moves to another line, because lines were added above it.
 */
export class FindingsReport {
  readonly #report: (finding: Finding) => void
  readonly #onChange: () => void
  readonly #told = new Map<string, ReadonlyMap<string, Finding>>()

  constructor(
    report: (finding: Finding) => void,
    onChange: () => void = () => undefined,
  ) {
    this.#report = report
    this.#onChange = onChange
  }

  /** How much is rejected at the moment. */
  get mistakes(): number {
    return [...this.#told.values()].flatMap(told =>
      [...told.values()].filter(isMistake),
    ).length
  }

  /** One that is rejected at the moment, of such an origin. */
  mistake(isMeant: (origin: string) => boolean): Finding | undefined {
    return [...this.#told]
      .flatMap(([origin, told]) => (isMeant(origin) ? [...told.values()] : []))
      .find(isMistake)
  }

  /** All that is to be said of this origin now; what was said and is not among it is mended. */
  set(origin: string, findings: readonly Finding[]): void {
    const before = this.#told.get(origin)
    const now = new Map<string, Finding>()
    for (const finding of findings) {
      const key = identity(finding)
      if (!now.has(key) && before?.has(key) !== true) this.#report(finding)
      now.set(key, finding)
    }
    if (now.size === 0) this.#told.delete(origin)
    else this.#told.set(origin, now)
    this.#onChange()
  }
}

function identity(finding: Finding): string {
  const { treatment, position, object, fieldPath, message } = finding
  const name = `${object?.kind} ${object?.namespace}/${object?.name}`
  return JSON.stringify([treatment, position.path, name, fieldPath, message])
}
