import type { BigIntStats } from 'node:fs'

/** Two looks at the same file, by whatever path, give the same text. */
export function fileIdentity({
  dev,
  ino,
}: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`
}
