import type { Position } from '../api/types.ts'
import { settingsShape, type Settings } from './settings.ts'
import { leavesOf } from './shape.ts'

/** One setting, and who gave it: `podfs.yaml:4`, `PODFS_BACKEND`, `--backend`, `default`. */
export interface GivenSetting {
  readonly path: readonly string[]
  readonly value: unknown
  readonly origin: string
  /** Of the value, in a file. */
  readonly position?: Position
}

export interface EffectiveSettings {
  readonly settings: Settings
  /** Every setting that there is, in the order of the shape. */
  readonly given: readonly GivenSetting[]
}

/** The defaults with what was given laid over them; of two for one setting the later counts. */
export function layOver(given: readonly GivenSetting[]): EffectiveSettings {
  const effective = leavesOf(settingsShape).map(
    ({ path, shape }): GivenSetting =>
      given.findLast(each => each.path.join('.') === path.join('.')) ?? {
        path,
        value: shape.default,
        origin: 'default',
      },
  )
  const settings = {} as Record<string, unknown>
  for (const { path, value } of effective) {
    let place = settings
    for (const name of path.slice(0, -1))
      place = (place[name] ??= {}) as Record<string, unknown>
    place[path.at(-1) as string] = value
  }
  return { settings: withMaps(settings as unknown as Plain), given: effective }
}

/** As YAML gives it: maps are still objects. */
type Plain = Omit<Settings, 'images'> & {
  readonly images: readonly (Omit<Settings['images'][number], 'env'> & {
    readonly env?: Readonly<Record<string, string>>
  })[]
}

function withMaps({ images, ...settings }: Plain): Settings {
  return {
    ...settings,
    images: images.map(({ env, ...entry }) => ({
      ...entry,
      ...(env !== undefined && { env: new Map(Object.entries(env)) }),
    })),
  }
}
