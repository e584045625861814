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
  /** Letters of the group of four that is being read. */
  let letters = 0
  /** Paddings that are still to come; undefined before the first. */
  let missing: number | undefined
  for (let i = 0; i < text.length; i++) {
    const letter = text.charAt(i)
    if (letter === '\n' || letter === '\r') continue
    if (missing !== undefined) {
      if (missing === 0) return { illegalAt: i }
      if (letter !== '=') return { illegalAt: i - 1 }
      missing -= 1
    } else if (letter === '=') {
      if (letters < 2) return { illegalAt: i }
      missing = 3 - letters
    } else if (members.has(letter)) {
      letters = (letters + 1) % 4
    } else {
      return { illegalAt: i }
    }
  }
  if (missing === undefined && letters > 0) {
    return { illegalAt: text.length - letters }
  }
  if (missing === 1) return { illegalAt: text.length }
  return { bytes: new Uint8Array(Buffer.from(text, 'base64')) }
}
