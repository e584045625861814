import { YamlError } from './yaml-node.ts'

/*
 * What no manifest reaches, and a hostile file does not get beyond. All are checked before the
 * work is done.
 */

/** As deep as code that calls itself for each level may go. */
export const maxDepth = 1000

/** Some 500 MiB of memory. */
const maxValues = 2_000_000

/**
 * An API server takes no request of more than 3 MiB, and so no such value (apiserver,
 * pkg/server/config.go, MaxRequestBodyBytes).
 */
const maxScalarLength = 3 * 1024 * 1024

/** A request of 3 MiB hardly has room for more. What is made of an object is made in one go. */
export const maxObjectValues = 100_000

export function tooDeep(offset: number): YamlError {
  return new YamlError(offset, `nested deeper than ${maxDepth} levels`)
}

/** Throws at the place where a scalar began, when it is too long to go on. */
export function checkScalarLength(start: number, position: number): void {
  if (position - start > maxScalarLength)
    throw new YamlError(start, 'a value of more than 3 MiB')
}

/** Counts the values of one file: too many are refused before they are made. */
export class Budget {
  #values = 0
  #steps = 0

  get values(): number {
    return this.#values
  }

  /** Throws a YamlError when it is one too many. */
  takeValue(offset: number): void {
    this.#values += 1
    if (this.#values > maxValues)
      throw new YamlError(offset, `more than ${maxValues} values in one file`)
  }

  /** True now and then, after a millisecond or two of work: others may have a turn. */
  isPause(): boolean {
    this.#steps += 1
    return this.#steps % 2048 === 0
  }
}
