import type { Curve } from '../row.ts'
import * as draw from './svg.ts'

const WIDTH = 260
const HEIGHT = 220
const COLUMNS = 3
const LEFT = 55
const RIGHT = 15
const TOP = 30
const BOTTOM = 45

/** A small picture for each curve, both axes logarithmic: a straight slope of 1 is linear. */
export function renderGrowth(curves: readonly Curve[]): string {
  const rows = Math.max(Math.ceil(curves.length / COLUMNS), 1)
  const panels = curves.flatMap((curve, index) =>
    renderPanel(
      curve,
      (index % COLUMNS) * WIDTH,
      Math.floor(index / COLUMNS) * HEIGHT,
    ),
  )
  return draw.svg(WIDTH * COLUMNS, HEIGHT * rows, panels)
}

function renderPanel(
  { title, xLabel, yLabel, points }: Curve,
  left: number,
  top: number,
): string[] {
  const xs = points.map(point => point.x)
  const ys = points.map(point => point.y)
  const [fromX, toX] = [Math.min(...xs), Math.max(...xs)]
  const fromY = 10 ** Math.floor(Math.log10(Math.min(...ys)))
  const toY = 10 ** Math.ceil(Math.log10(Math.max(...ys)))
  const x = draw.logScale(fromX, toX, left + LEFT, left + WIDTH - RIGHT)
  const y = draw.logScale(fromY, toY, top + HEIGHT - BOTTOM, top + TOP)
  const colour = draw.palette[1] as string
  return [
    draw.text(
      left + LEFT,
      top + 18,
      `${title}, ${yLabel}`,
      'font-weight="bold"',
    ),
    ...draw
      .decades(fromY, toY)
      .flatMap(value => [
        draw.line(x(fromX), y(value), x(toX), y(value)),
        draw.text(
          left + LEFT - 6,
          y(value) + 4,
          String(value),
          'text-anchor="end"',
        ),
      ]),
    ...xs.flatMap(value => [
      draw.line(x(value), y(fromY), x(value), y(toY)),
      draw.text(
        x(value),
        top + HEIGHT - BOTTOM + 16,
        value.toLocaleString('en'),
        'text-anchor="middle"',
      ),
    ]),
    draw.text(
      left + (LEFT + WIDTH - RIGHT) / 2,
      top + HEIGHT - 10,
      xLabel,
      'text-anchor="middle"',
    ),
    draw.polyline(
      points.map(point => [x(point.x), y(point.y)] as const),
      colour,
    ),
    ...points.map(point => draw.dot(x(point.x), y(point.y), colour)),
  ]
}
