/**
 * Plain scalars as kubectl reads them: the rules of go-yaml v2 (resolve.go), which
 * sigs.k8s.io/yaml uses. They are neither YAML 1.1 nor 1.2: `yes` and `y` are true, `0644`
 * and `0o644` are 420, `089` is 89, but `1:30` and dates stay strings. Each was asked of
 * kubectl 1.32 with `kubectl label --local -o json`.
 */
const words: ReadonlyMap<string, boolean | null> = new Map([
  ...['', '~', 'null', 'Null', 'NULL'].map(word => [word, null] as const),
  ...forms('y', 'yes', 'true', 'on').map(word => [word, true] as const),
  ...forms('n', 'no', 'false', 'off').map(word => [word, false] as const),
])

/** `yes`, `Yes`, `YES`; not `yES`. */
function forms(...all: readonly string[]): string[] {
  return all.flatMap(word => [
    word,
    word.charAt(0).toUpperCase() + word.slice(1),
    word.toUpperCase(),
  ])
}

const float = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/
/** What begins with a point goes to Go's ParseFloat, which takes `_` between digits. */
const fraction = /^\.[0-9](_?[0-9])*([eE][-+]?[0-9](_?[0-9])*)?$/
const integer =
  /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/
const special = /^([-+]?)\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$/

/** The value of an unquoted scalar; NaN and infinities are JSON's to refuse. */
export function resolvePlainScalar(
  text: string,
): null | boolean | number | string {
  const word = words.get(text)
  if (word !== undefined) return word
  if (!/^[-+.0-9]/.test(text)) return text
  const infinite = special.exec(text)
  if (infinite !== null) {
    if (infinite[3] !== undefined) return Number.NaN
    return infinite[1] === '-' ? -Infinity : Infinity
  }
  const plain = text.replaceAll('_', '')
  const whole = resolveInteger(text)
  if (whole !== undefined) return Number(whole)
  if (text.startsWith('.') ? fraction.test(text) : float.test(plain)) {
    const value = Number(plain)
    // 1e400 is out of range for Go's ParseFloat, so it stays a string.
    if (Number.isFinite(value)) return value
  }
  return text
}

/** An unquoted whole number; undefined for what is none, or none of 64 bits. */
export function resolveInteger(text: string): bigint | undefined {
  if (!/^[-+0-9]/.test(text)) return undefined
  const plain = text.replaceAll('_', '')
  // A sign after 0b is an oversight of go-yaml's: it gives the rest to ParseInt.
  const signed = /^0b([-+][01]+)$/.exec(plain)?.[1]
  if (signed !== undefined) return resolveInteger(signed.replace(/^./, '$&0b'))
  const parts = integer.exec(plain)
  if (parts === null) return undefined
  const [, sign = '', hex, binary, octal, decimal] = parts
  const magnitude = BigInt(
    hex !== undefined
      ? `0x${hex}`
      : binary !== undefined
        ? `0b${binary}`
        : octal !== undefined
          ? `0o${octal}`
          : (decimal ?? '0'),
  )
  const largest =
    sign === '' ? 2n ** 64n - 1n : sign === '-' ? 2n ** 63n : 2n ** 63n - 1n
  if (magnitude > largest) return undefined
  return sign === '-' ? -magnitude : magnitude
}
