import type { Test } from 'tap'
import { isMapping, type Value } from '../../src/api/value.ts'
import { readDocuments } from '../../src/api/yaml/documents.ts'
import { toValue } from '../../src/api/yaml/to-value.ts'
import { YamlError } from '../../src/api/yaml/yaml-node.ts'
import { atOnce } from '../../src/util/in-turns.ts'

interface Answer {
  readonly documents: readonly unknown[]
  readonly warnings: readonly string[]
  readonly duplicates: readonly string[]
  readonly error?: string
  readonly offset?: number
}

/** What is read of a text, and what is told of it. */
export function readYaml(text: string): Answer {
  const documents: unknown[] = []
  const warnings: string[] = []
  const duplicates: string[] = []
  try {
    for (const document of readDocuments(text, (offset, problem) =>
      warnings.push(`${offset}: ${problem}`),
    )) {
      if (document === undefined) continue
      const work = toValue(document.root, (key, offset, earlier) =>
        duplicates.push(`${key} ${earlier} ${offset}`),
      )
      const value = atOnce(work)
      if (value !== null) documents.push(asJson(value))
    }
  } catch (error) {
    if (!(error instanceof YamlError)) throw error
    const { message, offset } = error
    return { documents, warnings, duplicates, error: message, offset }
  }
  return { documents, warnings, duplicates }
}

function asJson(value: Value): unknown {
  if (isMapping(value))
    return Object.fromEntries(
      [...value].map(([key, each]) => [key, asJson(each)]),
    )
  return Array.isArray(value) ? value.map(asJson) : value
}

/** A text that is refused, with the words and the place; -1 is any. */
export type HostileText = readonly [
  name: string,
  text: string,
  error: RegExp,
  offset: number,
]

export function refuses(t: Test, texts: readonly HostileText[]): void {
  for (const [name, text, error, offset] of texts) {
    const answer = readYaml(text)
    t.match(answer.error, error, name)
    if (offset !== -1) t.equal(answer.offset, offset, `${name}: the place`)
  }
}

export function repeated(count: number, part: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => part(i)).join('')
}
