/** Go's FormatFloat(value, 'g', -1, 32): how sigs.k8s.io/yaml prints a key that is a float. */
export function goFloat32(value: number): string {
  const rounded = Math.fround(value)
  if (!Number.isFinite(rounded)) return rounded < 0 ? '-.inf' : '.inf'
  let digits = 1
  while (Math.fround(Number(rounded.toPrecision(digits))) !== rounded)
    digits += 1
  const [mantissa = '', power = ''] = rounded
    .toExponential(digits - 1)
    .split('e')
  const exponent = Number(power)
  if (exponent >= -4 && exponent < 6)
    return String(Number(rounded.toPrecision(digits)))
  const sign = exponent < 0 ? '-' : '+'
  return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`
}
