/**
 * Kubernetes quantities: `1250m`, `128Mi`, `1e3`, `.5Gi` (apimachinery pkg/api/resource,
 * quantity.go and suffix.go). Held in billionths as a bigint, the finest step there is, so
 * that nothing is lost where a float would round.
 */

/** A quantity in units of 10^-9. */
export type Nanos = bigint

const NANOS_PER_UNIT = 1_000_000_000n
const NANOS_PER_MILLI = 1_000_000n

/** Kubernetes caps a quantity at 2^63-1. */
const MAX_NANOS = ((1n << 63n) - 1n) * NANOS_PER_UNIT

/** Beyond these a number is the maximum, or rounds up to 1n, whatever its digits are. */
const MAX_EXPONENT = 40
const MAX_NUMBER_LENGTH = 100

const binaryShifts: ReadonlyMap<string, bigint> = new Map([
  ['Ki', 10n],
  ['Mi', 20n],
  ['Gi', 30n],
  ['Ti', 40n],
  ['Pi', 50n],
  ['Ei', 60n],
])

const decimalExponents: ReadonlyMap<string, number> = new Map([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
])

const numberAndSuffix =
  /^(?<sign>[+-]?)(?<whole>\d*)(?:\.(?<fraction>\d*))?(?<suffix>[A-Za-z]*(?:[+-]?\d+)?)$/

/**
 * Reads a quantity; undefined if it is none. What is finer than a billionth rounds up, away
 * from zero; what is larger than 2^63-1 becomes that.
 */
export function parseQuantity(text: string): Nanos | undefined {
  if (text.length > MAX_NUMBER_LENGTH) return undefined
  const {
    sign,
    whole = '',
    fraction = '',
    suffix = '',
  } = numberAndSuffix.exec(text)?.groups ?? {}
  const digits = whole + fraction
  if (digits === '') return undefined

  const scale = parseSuffix(suffix)
  if (scale === undefined) return undefined
  const exponent = scale.exponent - fraction.length + 9
  const numerator = BigInt(digits) << scale.shift
  let nanos: bigint
  if (numerator === 0n) nanos = 0n
  else if (exponent > MAX_EXPONENT) nanos = MAX_NANOS
  else if (exponent >= 0) nanos = numerator * 10n ** BigInt(exponent)
  else if (exponent < -(MAX_NUMBER_LENGTH + MAX_EXPONENT)) nanos = 1n
  else nanos = divideRoundingUp(numerator, 10n ** BigInt(-exponent))
  if (nanos > MAX_NANOS) nanos = MAX_NANOS
  return sign === '-' ? -nanos : nanos
}

/** The quantity in whole units, rounded up (Quantity.Value). */
export function quantityValue(nanos: Nanos): bigint {
  return divideRoundingUp(nanos, NANOS_PER_UNIT)
}

/** The quantity in whole thousandths, rounded up (Quantity.MilliValue). */
export function quantityMilliValue(nanos: Nanos): bigint {
  return divideRoundingUp(nanos, NANOS_PER_MILLI)
}

/** The smallest integer that is not less than the quotient; the divisor is positive. */
export function divideRoundingUp(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor
  return dividend > 0n && dividend % divisor !== 0n ? quotient + 1n : quotient
}

function parseSuffix(
  suffix: string,
): { exponent: number; shift: bigint } | undefined {
  const shift = binaryShifts.get(suffix)
  if (shift !== undefined) return { exponent: 0, shift }
  const exponent = decimalExponents.get(suffix)
  if (exponent !== undefined) return { exponent, shift: 0n }
  // `E` alone is exa; with a number after it, it is an exponent.
  const scientific = /^[eE]([+-]?\d+)$/.exec(suffix)?.[1]
  return scientific === undefined
    ? undefined
    : { exponent: Number(scientific), shift: 0n }
}

/**
 * The quantity as an API server prints it: `1000m` as `1`, `2048Mi` as `2Gi`, in the kind of
 * suffix it was written with. Source: Quantity.CanonicalizeBytes.
 */
export function canonicalQuantity(text: string): string {
  return isCanonical(text)
    ? text
    : formatQuantity(parseQuantity(text) ?? 0n, text)
}

/** What ParseQuantity takes for canonical, and prints as it was written: `+2` and `5.`, too. */
function isCanonical(text: string): boolean {
  const {
    whole = '',
    fraction = '',
    suffix = '',
  } = numberAndSuffix.exec(text)?.groups ?? {}
  const digits = (whole.replace(/^0+(?=.)/, '') || '0') + fraction
  if (digits.length > 15) return false
  if (binaryShifts.has(suffix)) {
    return fraction === '' && BigInt(digits) % 8n !== 0n
  }
  const scale = (parseSuffix(suffix)?.exponent ?? 0) - fraction.length
  return (
    scale >= -9 &&
    scale % 3 === 0 &&
    !digits.endsWith('000') &&
    !digits.startsWith('0')
  )
}

/** `nanos` in the kind of suffix that `like` has. */
export function formatQuantity(nanos: Nanos, like: string): string {
  if (nanos === 0n) return '0'
  const sign = nanos < 0n ? '-' : ''
  const magnitude = nanos < 0n ? -nanos : nanos
  // Small numbers, and what would be rounded, are not written in powers of two.
  const binary =
    like.endsWith('i') &&
    magnitude >= 1024n * NANOS_PER_UNIT &&
    magnitude % NANOS_PER_UNIT === 0n
  if (binary) {
    return sign + shorten(magnitude / NANOS_PER_UNIT, 1024n, binarySuffixes)
  }
  const suffixes = /[eE][+-]?\d+$/.test(like)
    ? decimalSuffixes.map((_, i) => (i === 3 ? '' : `e${i * 3 - 9}`))
    : decimalSuffixes
  return sign + shorten(magnitude, 1000n, suffixes)
}

const binarySuffixes = ['', ...binaryShifts.keys()]
const decimalSuffixes = [...decimalExponents.keys()]

function shorten(
  amount: bigint,
  base: bigint,
  suffixes: readonly string[],
): string {
  let step = 0
  while (amount % base === 0n && step < suffixes.length - 1) {
    amount /= base
    step++
  }
  return `${amount}${suffixes[step]}`
}
