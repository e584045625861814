import { posix } from 'node:path'

import { goQuote } from '../../api/go-quote.ts'
import type {
  ObjectProjection,
  ProjectionKind,
  Volume,
  VolumeProjection,
} from '../../api/types.ts'

/** A key that would be a file at a subPath, or below it. */
export interface SubPathKey {
  readonly kind: 'ConfigMap' | 'Secret'
  readonly name: string
  readonly key: string
  /** It must be there, where it is not optional. */
  readonly isItem: boolean
  readonly optional: boolean
}

/**
 * The keys of Secrets and ConfigMaps that a managed volume's definition has at a subPath;
 * undefined where something is there whatever they hold (a downward API item, a token).
 */
export function keysAtSubPath(
  volume: Volume,
  subPath: string,
): readonly SubPathKey[] | undefined {
  // The links of the volume's root lead there.
  const wanted = posix.normalize(`${subPath}/.`).replace(/^\.\.data\//, '')
  const isAt = (path: string): boolean =>
    `${posix.normalize(path)}/`.startsWith(`${wanted}/`)
  const { secret, configMap, downwardAPI, projected } = volume
  const sources: readonly VolumeProjection[] = [
    {
      ...(secret && { secret: { ...secret, name: secret.secretName } }),
      ...(configMap && { configMap }),
      ...(downwardAPI && { downwardAPI }),
    },
    // Stryker disable next-line ArrayDeclaration: of what is no source nothing comes
    ...(projected?.sources ?? []),
  ]
  const found = sources.flatMap(source =>
    (Object.keys(kinds) as ProjectionKind[])
      .filter(kind => source[kind] !== undefined)
      // By the type of the table each kind takes the source of its name.
      .map(kind =>
        (kinds[kind] as KeysAt<unknown>)(source[kind], wanted, isAt),
      ),
  )
  return found.includes('always there')
    ? undefined
    : found.flatMap(keys => (keys === 'always there' ? [] : keys))
}

type KeysAt<Source> = (
  source: Source,
  wanted: string,
  isAt: (path: string) => boolean,
) => readonly SubPathKey[] | 'always there'

const kinds: {
  readonly [Kind in ProjectionKind]: KeysAt<NonNullable<VolumeProjection[Kind]>>
} = {
  secret: (source, wanted, isAt) => keysOf('Secret', source, wanted, isAt),
  configMap: (source, wanted, isAt) =>
    keysOf('ConfigMap', source, wanted, isAt),
  downwardAPI: ({ items }, _wanted, isAt) =>
    items.some(({ path }) => isAt(path)) ? 'always there' : [],
  serviceAccountToken: ({ path }, _wanted, isAt) =>
    isAt(path) ? 'always there' : [],
  clusterTrustBundle: ({ path }, _wanted, isAt) =>
    isAt(path) ? 'always there' : [],
}

function keysOf(
  kind: SubPathKey['kind'],
  { name, items, optional }: ObjectProjection,
  wanted: string,
  isAt: (path: string) => boolean,
): SubPathKey[] {
  const keys =
    items === undefined
      ? [wanted]
      : items.filter(({ path }) => isAt(path)).map(({ key }) => key)
  const isItem = items !== undefined
  return keys.map(key => ({ kind, name, key, isItem, optional }))
}

/** What is said of a subPath at which a managed volume has nothing. */
export function missingSubPath(
  volume: Volume,
  subPath: string,
  namespace: string,
): string {
  const keys = keysAtSubPath(volume, subPath) ?? []
  const why =
    keys.length === 0
      ? 'no item of the volume has this path'
      : keys
          .map(
            ({ kind, name, key }) =>
              `${kind} ${namespace}/${name} has no key ${goQuote(key)}`,
          )
          .join(', ')
  return `subPath ${goQuote(subPath)} of volume ${goQuote(volume.name)} is an empty directory: ${why}`
}
