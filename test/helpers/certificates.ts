import { readFileSync } from 'node:fs'

/** Self-signed; `no-authority` may sign nothing. */
export function certificate(name: 'a' | 'b' | 'c' | 'no-authority'): string {
  const url = new URL(`../fixtures/trust-bundles/${name}.pem`, import.meta.url)
  return readFileSync(url, 'utf8')
}
