import type { Finding, Treatment } from '../report.ts'
import type { ObjectSource } from '../types.ts'

/**
 * Gathers what is to be said about one object, each with its place in the file.
 *
 * A field that could not be decoded is remembered, so that validation does not complain a
 * second time of what is missing only because its value was refused.
 */
export class FindingList {
  readonly #source: ObjectSource
  readonly #object: NonNullable<Finding['object']> | undefined
  readonly #prefix: string
  readonly #findings: Finding[]
  readonly #undecoded: string[]

  constructor(
    source: ObjectSource,
    object: Finding['object'],
    whole?: FindingList,
    prefix = '',
  ) {
    this.#source = source
    this.#object = object
    this.#prefix = prefix
    this.#findings = whole === undefined ? [] : whole.#findings
    this.#undecoded = whole === undefined ? [] : whole.#undecoded
  }

  /** The same list, for whoever knows only a part of the object: the Pod in a template. */
  at(path: string): FindingList {
    const prefix = `${this.#prefix}${path}.`
    return new FindingList(this.#source, this.#object, this, prefix)
  }

  add(
    treatment: Exclude<Treatment, 'supported'>,
    path: string,
    message: string,
    fix?: string,
  ): void {
    const fieldPath = `${this.#prefix}${path}`
    this.#findings.push({
      treatment,
      position: this.#source.positionOf(fieldPath),
      ...(this.#object !== undefined && { object: this.#object }),
      ...(fieldPath !== '' && { fieldPath }),
      message,
      ...(fix !== undefined && { fix }),
    })
  }

  /** For the decoder: the value at this path is not usable. */
  refuse(fieldPath: string, message: string, fix?: string): void {
    this.#undecoded.push(`${this.#prefix}${fieldPath}`)
    this.add('rejected', fieldPath, message, fix)
  }

  /** For validation: silent about a field, or a parent of a field, that was refused. */
  reject(fieldPath: string, message: string, fix?: string): void {
    const whole = `${this.#prefix}${fieldPath}`
    if (this.#undecoded.some(path => isAtOrAbove(whole, path))) return
    this.add('rejected', fieldPath, message, fix)
  }

  get rejected(): boolean {
    return this.#findings.some(finding => finding.treatment === 'rejected')
  }

  /** In the order of the file. */
  sorted(): readonly Finding[] {
    return sortFindings(this.#findings)
  }
}

export function sortFindings(findings: readonly Finding[]): readonly Finding[] {
  return [...findings].sort(
    (a, b) =>
      a.position.line - b.position.line ||
      a.position.column - b.position.column,
  )
}

function isAtOrAbove(parent: string, child: string): boolean {
  if (!child.startsWith(parent)) return false
  const next = child[parent.length]
  return next === undefined || next === '.' || next === '['
}
