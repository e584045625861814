import type { Settings } from '../config/settings.ts'
import type { Rendering } from '../sources/rendered/rendering.ts'

/** What the settings have rendered. */
export function renderingsOf(
  sources: Settings['sources'],
): readonly Rendering[] {
  return [
    ...sources.kustomizations.map(
      directory => ({ kind: 'kustomize', directory }) as const,
    ),
    ...sources.charts.map(
      ({ chart, values = [] }) => ({ kind: 'helm', chart, values }) as const,
    ),
  ]
}
