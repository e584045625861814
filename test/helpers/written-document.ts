import { readFileSync, writeFileSync } from 'node:fs'

/**
 * A page of docs/, or an expected output, that is made from the program. `npm run docs` writes
 * it, for a person to read in the diff; otherwise this gives what stands there and what should.
 */
export function writtenDocument(
  name: string,
  wanted: string,
): { readonly found: string; readonly wanted: string } {
  const path = new URL(`../../docs/${name}`, import.meta.url)
  if (process.env['PODFS_WRITE_DOCS'] === '1') writeFileSync(path, wanted)
  return { found: readFileSync(path, 'utf8'), wanted }
}
