import { isMistake, type FieldUse, type Finding } from '../report.ts'
import type { Treatment } from '../schema/struct.ts'
import type { ObjectSource } from '../types.ts'

/** Nobody reads more, and each takes its time: a hostile object has a million mistakes. */
const maxFindings = 1000

class TooManyFindings extends Error {}

/** Longer than any of Kubernetes' own; but a key or a name may be a million letters long. */
const maxLength = 10_000

function shortened(text: string): string {
  return text.length <= maxLength
    ? text
    : `${text.slice(0, maxLength / 2)}...${text.slice(-maxLength / 4)}`
}

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
  readonly #invalid: string[]
  readonly #uses: (readonly [fieldPath: string, treatment: Treatment])[]

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
    this.#invalid = whole === undefined ? [] : whole.#invalid
    this.#uses = whole === undefined ? [] : whole.#uses
  }

  /** The same list, for whoever knows only a part of the object: the Pod in a template. */
  at(path: string): FindingList {
    const prefix = `${this.#prefix}${path}.`
    return new FindingList(this.#source, this.#object, this, prefix)
  }

  add(
    treatment: Finding['treatment'],
    path: string,
    message: string,
    fix?: string,
  ): void {
    if (this.#findings.length === maxFindings) throw new TooManyFindings()
    const fieldPath = `${this.#prefix}${path}`
    this.#findings.push({
      treatment,
      position: this.#source.positionOf(fieldPath),
      ...(this.#object !== undefined && { object: this.#object }),
      ...(fieldPath !== '' && { fieldPath: shortened(fieldPath) }),
      message: shortened(message),
      ...(fix !== undefined && { fix }),
    })
  }

  /** For the decoder: the value at this path is not usable. */
  refuse(fieldPath: string, message: string, fix?: string): void {
    this.#undecoded.push(`${this.#prefix}${fieldPath}`)
    this.add('rejected', fieldPath, message, fix)
  }

  /** For the decoder: a value that is none of the valid ones. */
  refuseInvalid(fieldPath: string, message: string, fix?: string): void {
    this.#invalid.push(`${this.#prefix}${fieldPath}`)
    this.refuse(fieldPath, message, fix)
  }

  /**
   * For validation: silent about a field that was refused, its parents and its children, and
   * about what was said of the same field already (as kubectl prints it).
   */
  reject(fieldPath: string, message: string, fix?: string): void {
    const whole = `${this.#prefix}${fieldPath}`
    const unknown = this.#undecoded.some(
      path => isAtOrAbove(whole, path) || isAtOrAbove(path, whole),
    )
    if (unknown) return
    this.#invalid.push(whole)
    const told = this.#findings.some(
      finding => finding.fieldPath === whole && finding.message === message,
    )
    if (!told) this.add('rejected', fieldPath, message, fix)
  }

  /**
   * Does what adds findings. When there are too many the object is rejected, and the work ends
   * there, without a result.
   */
  bounded<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof TooManyFindings)) throw error
      this.#findings.pop()
      this.add(
        'rejected',
        '',
        `more than ${maxFindings} things are to be said of this object; these are the first`,
      )
      return undefined
    }
  }

  /** One rejection for each of the problems that a rule of names.ts has found. */
  rejectEach(
    fieldPath: string,
    problems: readonly string[],
    toMessage: (problem: string) => string,
    fix?: string,
  ): void {
    for (const problem of problems) {
      this.reject(fieldPath, toMessage(problem), fix)
    }
  }

  /** For the decoder: this field stands in the input. */
  use(fieldPath: string, treatment: Treatment): void {
    this.#uses.push([fieldPath, treatment])
  }

  /** Where a field stands is looked up only for who asks. */
  get fields(): FieldUse[] {
    return this.#uses.map(([fieldPath, treatment]) => ({
      fieldPath,
      treatment,
      position: this.#source.positionOf(fieldPath),
    }))
  }

  /** Whether a valid value was missed at this path or below it. */
  isInvalid(fieldPath: string): boolean {
    const whole = `${this.#prefix}${fieldPath}`
    return this.#invalid.some(path => isAtOrAbove(whole, path))
  }

  get rejected(): boolean {
    return this.#findings.some(isMistake)
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
