/** apimachinery's letters for made-up names: no vowels, nothing that looks like another. */
const letters = 'bcdfghjklmnpqrstvwxz2456789'

/** The same five letters for the same text. */
export function nameSuffix(text: string): string {
  let hash = 0
  for (const byte of Buffer.from(text)) hash = (hash * 31 + byte) % 2 ** 31
  let suffix = ''
  for (let i = 0; i < 5; i++) {
    suffix += letters.charAt(hash % letters.length)
    hash = Math.floor(hash / letters.length)
  }
  return suffix
}

/** A made-up name is as long as a host name may be. */
export function withSuffix(prefix: string, suffix: string): string {
  return `${prefix.slice(0, 58)}${suffix}`
}
