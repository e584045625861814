import { readFileSync } from 'node:fs'

/** What is in a file, as UTF-8; undefined when it cannot be read, whatever the reason. */
export function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
