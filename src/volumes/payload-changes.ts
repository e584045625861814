import type { FileOrigin, FileProjection, Payload } from '../writer/payload.ts'

/** The paths in which two payloads differ, sorted. */
export interface PayloadChanges {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
}

/** By bytes, as the AtomicWriter compares: a mode alone is no change. */
export function payloadChanges(
  before: Payload,
  after: Payload,
): PayloadChanges {
  const paths = [...after.keys()].sort()
  return {
    added: paths.filter(path => !before.has(path)),
    changed: paths.filter(path => {
      const old = before.get(path)
      return old !== undefined && !sameData(old, after.get(path))
    }),
    removed: [...before.keys()].filter(path => !after.has(path)).sort(),
  }
}

export function samePayload(a: Payload, b: Payload): boolean {
  return (
    a.size === b.size &&
    [...a].every(([path, file]) => sameData(file, b.get(path)))
  )
}

/** The objects that gave the paths which differ, each once. */
export function originsOf(
  { added, changed, removed }: PayloadChanges,
  before: Payload,
  after: Payload,
): readonly FileOrigin[] {
  const origins = new Map<string, FileOrigin>()
  for (const path of [...added, ...changed, ...removed]) {
    const origin = (after.get(path) ?? before.get(path))?.origin
    if (origin !== undefined)
      origins.set(`${origin.kind}/${origin.name}`, origin)
  }
  return [...origins.values()]
}

/** A token changes by itself, all the time, and an old one is of no use to anybody. */
export function isToken({ origin }: Pick<FileProjection, 'origin'>): boolean {
  return origin?.kind === 'ServiceAccount'
}

const confidential: Readonly<Record<FileOrigin['kind'], boolean>> = {
  ConfigMap: false,
  Secret: true,
  Pod: false,
  ServiceAccount: true,
  ClusterTrustBundle: false,
}

/** Not for a person's eyes. What nobody knows the origin of is, too. */
export function isConfidential({ origin }: FileProjection): boolean {
  return origin === undefined || confidential[origin.kind]
}

export function withoutTokens(payload: Payload): Payload {
  return new Map([...payload].filter(([, file]) => !isToken(file)))
}

/** The payload with the tokens of another one. */
export function withTokensOf(payload: Payload, newer: Payload): Payload {
  return new Map(
    [...payload].map(([path, file]) => {
      const token = newer.get(path)
      return [path, isToken(file) && token !== undefined ? token : file]
    }),
  )
}

/** The payload with the very files of the others wherever they are alike: kept only once. */
export function sharingFiles(
  payload: Payload,
  others: readonly Payload[],
): Payload {
  return new Map(
    [...payload].map(([path, file]) => [
      path,
      others
        .map(other => other.get(path))
        .find(known => known !== undefined && isAlike(known, file)) ?? file,
    ]),
  )
}

function isAlike(a: FileProjection, b: FileProjection): boolean {
  return (
    a.mode === b.mode &&
    a.fsUser === b.fsUser &&
    a.origin?.kind === b.origin?.kind &&
    a.origin?.name === b.origin?.name &&
    sameData(a, b)
  )
}

function sameData(a: FileProjection, b: FileProjection | undefined): boolean {
  return b !== undefined && Buffer.compare(a.data, b.data) === 0
}
