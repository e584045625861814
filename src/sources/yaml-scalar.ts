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
  const plain = text.startsWith('.') ? text : text.replaceAll('_', '')
  const parts = integer.exec(plain)
  if (parts !== null) {
    const [, sign, hex, binary, octal, decimal] = parts
    const magnitude =
      hex !== undefined
        ? Number.parseInt(hex, 16)
        : binary !== undefined
          ? Number.parseInt(binary, 2)
          : octal !== undefined
            ? Number.parseInt(octal, 8)
            : Number(decimal)
    // Not -0, which would read as `-0` in a string.
    return magnitude === 0 ? 0 : sign === '-' ? -magnitude : magnitude
  }
  if (float.test(plain)) {
    const value = Number(plain)
    // 1e400 is out of range for Go's ParseFloat, so it stays a string.
    if (Number.isFinite(value)) return value
  }
  return text
}
