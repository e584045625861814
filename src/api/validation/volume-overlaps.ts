import { goQuote } from '../go-quote.ts'
import type { Volume, VolumeProjection } from '../types.ts'

interface Target {
  readonly path: string
  /** Which of several sources, in the API server's words. */
  readonly source: string
}

/**
 * Two files of one volume at the same path, or one where the other needs a directory: the
 * API server accepts it with a warning, and a kubelet fails or overwrites.
 * Source: pkg/api/pod/warnings.go, warningsForOverlappingVirtualPaths.
 */
export function warnOfOverlaps(
  volumes: readonly Volume[],
  warn: (fieldPath: string, message: string) => void,
): void {
  for (const [i, volume] of volumes.entries()) {
    const at = `spec.volumes[${i}]`
    const { name, configMap, secret, downwardAPI, projected } = volume
    const tell = (kind: string, path: string, targets: readonly Target[]) => {
      for (const [one, other] of overlapsOf(targets)) {
        warn(
          path,
          `volume ${goQuote(name)} (${kind}): overlapping paths: ${format(one)} with ${format(other)}`,
        )
      }
    }
    if (configMap !== undefined) {
      tell(
        `ConfigMap ${goQuote(configMap.name)}`,
        `${at}.configMap.items`,
        targetsOf(configMap.items ?? [], ''),
      )
    }
    if (secret !== undefined) {
      tell(
        `Secret ${goQuote(secret.secretName)}`,
        `${at}.secret.items`,
        targetsOf(secret.items ?? [], ''),
      )
    }
    if (downwardAPI !== undefined) {
      tell(
        'DownwardAPI',
        `${at}.downwardAPI.items`,
        targetsOf(downwardAPI.items, ''),
      )
    }
    if (projected === undefined) continue
    for (const [j, source] of projected.sources.entries()) {
      if (Object.keys(source).length > 0) continue
      warn(
        `${at}.projected.sources[${j}]`,
        `volume ${goQuote(name)} (Projected) has no sources provided`,
      )
    }
    tell(
      'Projected',
      `${at}.projected.sources`,
      projected.sources.flatMap(projectionTargets),
    )
  }
}

function projectionTargets(source: VolumeProjection): Target[] {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source
  if (configMap?.items !== undefined) {
    return targetsOf(configMap.items, `ConfigMap ${goQuote(configMap.name)}`)
  }
  if (secret?.items !== undefined) {
    return targetsOf(secret.items, `Secret ${goQuote(secret.name)}`)
  }
  if (downwardAPI !== undefined) {
    return targetsOf(downwardAPI.items, 'DownwardAPI')
  }
  return serviceAccountToken === undefined
    ? []
    : targetsOf([serviceAccountToken], 'ServiceAccountToken')
}

function targetsOf(
  items: readonly { readonly path: string }[],
  source: string,
): Target[] {
  return items.map(({ path }) => ({ path: path.replace(/\/+$/, ''), source }))
}

/** Each target with those before it that are in its way. */
function overlapsOf(targets: readonly Target[]): [Target, Target][] {
  return targets.flatMap((target, i) =>
    targets
      .slice(0, i)
      .filter(
        other =>
          `${other.path}/`.startsWith(`${target.path}/`) ||
          `${target.path}/`.startsWith(`${other.path}/`),
      )
      .map(other => [target, other] as [Target, Target]),
  )
}

function format({ path, source }: Target): string {
  return source === '' ? goQuote(path) : `${goQuote(path)} (${source})`
}
