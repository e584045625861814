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
  readonly #findings: Finding[] = []
  readonly #undecoded: string[] = []

  constructor(source: ObjectSource, object: Finding['object']) {
    this.#source = source
    this.#object = object
  }

  add(
    treatment: Exclude<Treatment, 'supported'>,
    fieldPath: string,
    message: string,
    fix?: string,
  ): void {
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
    this.#undecoded.push(fieldPath)
    this.add('rejected', fieldPath, message, fix)
  }

  /** For validation: silent about a field, or a parent of a field, that was refused. */
  reject(fieldPath: string, message: string, fix?: string): void {
    if (this.#undecoded.some(path => isAtOrAbove(fieldPath, path))) return
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
