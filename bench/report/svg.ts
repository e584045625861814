/** The few shapes that the pictures are made of; numbers are rounded to keep files small. */

export const palette = ['#8a8f98', '#1f6feb', '#d1480f', '#2e7d32']

export function svg(
  width: number,
  height: number,
  children: readonly string[],
): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
${children.join('\n')}
</svg>
`
}

export function text(
  x: number,
  y: number,
  content: string,
  attributes = '',
): string {
  const escaped = content.replace(/&/g, '&amp;').replace(/</g, '&lt;')
  return `<text x="${round(x)}" y="${round(y)}" fill="#24292f" ${attributes}>${escaped}</text>`
}

export function line(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  colour = '#d0d7de',
): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${colour}"/>`
}

export function polyline(
  points: readonly (readonly [number, number])[],
  colour: string,
): string {
  const path = points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ')
  return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`
}

export function dot(x: number, y: number, colour: string): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="3" fill="${colour}"/>`
}

/** Maps a value to a place, both ends given, on a logarithmic axis. */
export function logScale(
  from: number,
  to: number,
  start: number,
  end: number,
): (value: number) => number {
  const span = Math.log(to / from) || 1
  return value =>
    start + (Math.log(Math.max(value, from) / from) / span) * (end - start)
}

/** The powers of ten from `from` to `to`. */
export function decades(from: number, to: number): number[] {
  const values: number[] = []
  for (
    let exponent = Math.ceil(Math.log10(from) - 1e-9);
    10 ** exponent <= to * (1 + 1e-9);
    exponent++
  )
    values.push(10 ** exponent)
  return values
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
