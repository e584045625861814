const alphabet =
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const members = new Set(alphabet)

export type Base64Result =
  | { readonly bytes: Uint8Array }
  /** The offset that Go's `illegal base64 data at input byte N` names. */
  | { readonly illegalAt: number }

/**
 * Decodes as Go's base64.StdEncoding does: standard alphabet, padding required, CR and LF
 * skipped, nothing else forgiven. (Buffer.from forgives everything, so that a mistyped Secret
 * would become other bytes without a word.) Source: encoding/base64/base64.go, decodeQuantum.
 */
export function decodeBase64(text: string): Base64Result {
  let quantum = 0
  let padding = 0
  for (let i = 0; i < text.length; i++) {
    const letter = text.charAt(i)
    if (letter === '\n' || letter === '\r') continue
    if (padding > 0) {
      // After the first `=`: only the second one of a two-byte gap, then nothing.
      if (letter === '=' && padding === 1 && quantum === 3) {
        padding = 2
        quantum = 4
        continue
      }
      return { illegalAt: i }
    }
    if (letter === '=') {
      if (quantum < 2) return { illegalAt: i }
      padding = 1
      quantum += 1
    } else if (members.has(letter)) {
      quantum = (quantum % 4) + 1
    } else {
      return { illegalAt: i }
    }
  }
  if (quantum % 4 !== 0) return { illegalAt: text.length }
  return { bytes: new Uint8Array(Buffer.from(text, 'base64')) }
}
