import { goQuote } from '../go-quote.ts'
import type { ProjectionKind, Volume, VolumeProjection } from '../types.ts'

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
      projected.sources.flatMap(targetsOfProjection),
    )
  }
}

/** The files of a source whose paths stand in the Pod. */
const projectionTargets: {
  readonly [Kind in ProjectionKind]: (
    source: NonNullable<VolumeProjection[Kind]>,
  ) => Target[]
} = {
  configMap: ({ name, items = [] }) =>
    targetsOf(items, `ConfigMap ${goQuote(name)}`),
  secret: ({ name, items = [] }) => targetsOf(items, `Secret ${goQuote(name)}`),
  downwardAPI: ({ items }) => targetsOf(items, 'DownwardAPI'),
  serviceAccountToken: token => targetsOf([token], 'ServiceAccountToken'),
  clusterTrustBundle: bundle => targetsOf([bundle], 'ClusterTrustBundle'),
}

function targetsOfProjection(source: VolumeProjection): Target[] {
  const kinds = Object.keys(projectionTargets) as ProjectionKind[]
  const kind = kinds.find(each => source[each] !== undefined)
  if (kind === undefined) return []
  // By the type of the table each kind takes the source of its name.
  const targets = projectionTargets[kind] as (source: unknown) => Target[]
  return targets(source[kind])
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
