import { isDeepStrictEqual } from 'node:util'
import { layOver, type EffectiveSettings } from './layers.ts'
import { settingsShape } from './settings.ts'
import { leavesOf } from './setting-shape.ts'

/** What becomes of a podfs that runs when it reads its configuration again. */
export interface Reload {
  /** What counts from now on: everything that need not wait for a restart. */
  readonly effective: EffectiveSettings
  /** Names of settings, such as `sources.manifests`. */
  readonly applied: readonly string[]
  readonly needRestart: readonly string[]
}

/** `running` is what counts now, `loaded` what the file, the environment and the flags say. */
export function planReload(
  running: EffectiveSettings,
  loaded: EffectiveSettings,
): Reload {
  const live = new Set(
    leavesOf(settingsShape)
      .filter(({ shape }) => shape.live === true)
      .map(({ path }) => path.join('.')),
  )
  const changed = new Set(
    loaded.given
      .filter(
        ({ value }, index) =>
          !isDeepStrictEqual(value, running.given[index]?.value),
      )
      .map(({ path }) => path.join('.')),
  )
  const given = loaded.given.map((setting, index) => {
    const name = setting.path.join('.')
    return changed.has(name) && !live.has(name)
      ? (running.given[index] ?? setting)
      : setting
  })
  return {
    effective: layOver(given),
    applied: [...changed].filter(name => live.has(name)),
    needRestart: [...changed].filter(name => !live.has(name)),
  }
}
