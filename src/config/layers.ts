import type { Position } from '../api/types.ts'
import { settingsShape, type Settings } from './settings.ts'
import { leavesOf, type SettingShape } from './setting-shape.ts'

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
  return {
    settings: held(settingsShape, nested(effective)) as Settings,
    given: effective,
  }
}

function nested(given: readonly GivenSetting[]): unknown {
  const settings = {} as Record<string, unknown>
  for (const { path, value } of given) {
    let place = settings
    for (const name of path.slice(0, -1))
      place = (place[name] ??= {}) as Record<string, unknown>
    place[path.at(-1) as string] = value
  }
  return settings
}

/** A value as YAML gives it, whose maps are still objects, as `Settings` has it. */
function held(shape: SettingShape, value: unknown): unknown {
  if (shape.kind === 'stringMap')
    return new Map(Object.entries(value as Readonly<Record<string, string>>))
  if (shape.kind === 'list')
    return (value as readonly unknown[]).map(item => held(shape.of, item))
  if (shape.kind !== 'struct') return value
  return Object.fromEntries(
    Object.entries(shape.fields).flatMap(([name, field]) => {
      const given = (value as Readonly<Record<string, unknown>>)[name]
      return given === undefined ? [] : [[name, held(field, given)]]
    }),
  )
}
