/**
 * Keys in go-yaml's order (sorter.go, keyList): numbers in them by their value, so that `a2`
 * comes before `a10`, and letters after everything else.
 *
 * That order has circles (02 < 100 < 1e3 < 02); with such keys kubectl prints now this order,
 * now that one. Sorted first by their text, the same keys always come out the same here.
 */
export function inGoOrder(keys: Iterable<string>): string[] {
  return [...keys]
    .sort()
    .sort((a, b) => (isLess(a, b) ? -1 : isLess(b, a) ? 1 : 0))
}

function isLess(a: string, b: string): boolean {
  const [left, right] = [Array.from(a), Array.from(b)]
  const length = Math.min(left.length, right.length)
  for (let i = 0; i < length; i++) {
    const [x = '', y = ''] = [left[i], right[i]]
    if (x === y) continue
    const [xLetter, yLetter] = [isLetter(x), isLetter(y)]
    if (xLetter && yLetter) return x < y
    if (xLetter || yLetter) return yLetter
    // A zero inside a number that has begun is not a leading one.
    const started =
      (x === '0' || y === '0') && /[1-9]0*$/.test(left.slice(0, i).join(''))
    const [xNumber, yNumber] = [left, right].map(characters =>
      numberAt(characters, i, started),
    ) as [Digits, Digits]
    if (xNumber.value !== yNumber.value) return xNumber.value < yNumber.value
    if (xNumber.length !== yNumber.length)
      return xNumber.length < yNumber.length
    return x < y
  }
  return left.length < right.length
}

interface Digits {
  readonly value: bigint
  readonly length: number
}

function numberAt(
  characters: readonly string[],
  from: number,
  started: boolean,
): Digits {
  const digits = /^\d*/.exec(characters.slice(from).join(''))?.[0] ?? ''
  return {
    // As an int64, which wraps around.
    value: BigInt.asIntN(64, BigInt(`${started ? '1' : ''}${digits}` || '0')),
    length: digits.length,
  }
}

function isLetter(character: string): boolean {
  return /\p{L}/u.test(character)
}
