import type { Distribution } from '../row.ts'
import { quantile } from '../statistics.ts'
import * as draw from './svg.ts'

const WIDTH = 760
const PANEL = 170
const LEFT = 60
const RIGHT = 150
const TOP = 30
const BOTTOM = 40
const STEPS = 200

/**
 * One panel for each call: the share of calls that took at most so long (a cumulative
 * distribution), on one logarithmic time axis for all panels.
 */
export function renderLatencies(
  distributions: readonly Distribution[],
): string {
  const everything = distributions.flatMap(({ series }) =>
    series.flatMap(({ rounds }) => rounds.flat()),
  )
  const from = quantile(everything, 0) / 1.2
  const to = quantile(everything, 0.9995) * 1.2
  const x = draw.logScale(from, to, LEFT, WIDTH - RIGHT)
  const panels = distributions.flatMap((distribution, index) =>
    renderPanel(distribution, index * PANEL, x, draw.decades(from, to)),
  )
  return draw.svg(WIDTH, Math.max(distributions.length, 1) * PANEL, panels)
}

function renderPanel(
  { title, series }: Distribution,
  top: number,
  x: (ns: number) => number,
  ticks: readonly number[],
): string[] {
  const bottom = top + PANEL - BOTTOM
  const y = (share: number): number => bottom - share * (PANEL - TOP - BOTTOM)
  return [
    draw.text(LEFT, top + 18, title, 'font-weight="bold"'),
    ...[0, 0.5, 0.99].flatMap(share => [
      draw.line(LEFT, y(share), WIDTH - RIGHT, y(share)),
      draw.text(
        LEFT - 8,
        y(share) + 4,
        share === 0.5 ? 'median' : share === 0 ? '0 %' : '99 %',
        'text-anchor="end"',
      ),
    ]),
    ...ticks.flatMap(ns => [
      draw.line(x(ns), y(0), x(ns), y(1)),
      draw.text(x(ns), bottom + 16, timeText(ns), 'text-anchor="middle"'),
    ]),
    ...series.flatMap(({ name, rounds }, index) => {
      const colour = draw.palette[index % draw.palette.length] as string
      const sorted = rounds.flat().sort((a, b) => a - b)
      const points = Array.from({ length: STEPS + 1 }, (_, step) => {
        const share = step / STEPS
        const at = Math.min(
          Math.floor(sorted.length * share),
          sorted.length - 1,
        )
        const place = Math.min(x(sorted[at] ?? 0), WIDTH - RIGHT)
        return [place, y(share)] as const
      })
      const labelY = top + TOP + 10 + index * 18
      return [
        draw.polyline(points, colour),
        draw.dot(WIDTH - RIGHT + 16, labelY - 4, colour),
        draw.text(WIDTH - RIGHT + 24, labelY, name),
      ]
    }),
  ]
}

function timeText(ns: number): string {
  if (ns < 1000) return `${ns} ns`
  if (ns < 1e6) return `${ns / 1000} µs`
  return `${ns / 1e6} ms`
}
