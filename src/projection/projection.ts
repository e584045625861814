/**
 * From what a Pod says of a volume to the files that the volume holds.
 *
 * Pure: objects and tokens come in through functions, files go out as a payload, and nothing
 * here waits, reads or writes. Whether a volume can be projected is decided before anything
 * is written: if one required object is missing, the whole volume stays as it is, with the
 * files of its other sources. That is Kubernetes' promise, and its trap
 * (docs/kubernetes.md#what-a-volume-holds).
 */
import { goQuote } from '../api/go-quote.ts'
import type {
  ProjectedVolumeSource,
  ProjectionKind,
  ServiceAccountTokenProjection,
  Volume,
  VolumeKind,
  VolumeProjection,
} from '../api/types.ts'
import type { Payload } from '../writer/payload.ts'
import {
  Collection,
  type HiddenFile,
  type ProjectionError,
} from './collection.ts'
import { configMapFiles } from './config-map-files.ts'
import { downwardFiles } from './downward-files.ts'
import { secretFiles } from './secret-files.ts'
import type {
  ObjectReference,
  SourceData,
  SourceKind,
  SourcePlace,
} from './source-kind.ts'
import { tokenFiles } from './token-file.ts'
import { trustBundleFiles } from './trust-bundle-file.ts'

export type {
  HiddenFile,
  ProjectionError,
  ProjectionErrorCode,
} from './collection.ts'

/** Each kind of source of a projected volume. */
const projections: {
  readonly [Kind in ProjectionKind]: SourceKind<
    NonNullable<VolumeProjection[Kind]>
  >
} = {
  secret: secretFiles,
  configMap: configMapFiles,
  downwardAPI: downwardFiles,
  serviceAccountToken: tokenFiles,
  clusterTrustBundle: trustBundleFiles,
}

/** Each kind of volume whose content podfs makes; the others are directories. */
const managed = {
  secret: {
    collect: ({ secretName: name, ...source }, place, ...rest) =>
      secretFiles.collect(
        { ...source, name },
        { ...place, nameField: 'secretName' },
        ...rest,
      ),
    references: ({ secretName: name, optional }) =>
      secretFiles.references({ name, optional }),
  },
  configMap: configMapFiles,
  downwardAPI: downwardFiles,
  projected: {
    collect: collectProjected,
    references: ({ sources }) =>
      sources.flatMap(source => referencesIn(projections, source)),
  },
} satisfies {
  readonly [Kind in VolumeKind]?: SourceKind<NonNullable<Volume[Kind]>>
}

/** A kind of volume whose content podfs makes. */
export type ManagedKind = keyof typeof managed

export interface ProjectionInput extends SourceData {
  readonly volume: Volume
}

export type ProjectionResult = {
  /**
   * A mistake, nearly always; what stands in the Pod alone is not among them. Of a volume with
   * errors those that are known.
   */
  readonly hidden: readonly HiddenFile[]
} & (
  | { readonly ok: true; readonly payload: Payload }
  | { readonly ok: false; readonly errors: readonly ProjectionError[] }
)

/**
 * The files of a managed volume, or every reason, in the order of the sources, why it cannot
 * be projected. Of two sources with the same path the later one counts. Paths are as the Pod
 * wrote them: the writer cleans and refuses.
 */
export function collectPayload(input: ProjectionInput): ProjectionResult {
  const { volume, pod } = input
  const collection = new Collection()
  const index = pod.spec.volumes.findIndex(({ name }) => name === volume.name)
  const field = `spec.volumes[${Math.max(index, 0)}]`

  const found = sourceIn<{ readonly defaultMode: number }>(managed, volume)
  if (found === undefined)
    throw new TypeError(`volume ${volume.name} is not a managed volume`)
  const { kind, source } = found
  const { defaultMode } = source
  const place = { field: `${field}.${found.name}`, defaultMode }
  kind.collect(source, { ...place, nameField: 'name' }, input, collection)

  const { payload, hidden, errors } = collection
  return errors.length === 0
    ? { ok: true, payload, hidden }
    : { ok: false, hidden, errors }
}

/** Source: pkg/volume/projected/projected.go, collectData. */
function collectProjected(
  { sources, defaultMode }: ProjectedVolumeSource,
  place: SourcePlace,
  data: SourceData,
  collection: Collection,
): void {
  for (const [i, each] of sources.entries()) {
    const found = sourceIn(projections, each)
    if (found === undefined) continue
    const field = `${place.field}.sources[${i}].${found.name}`
    const its = { ...place, field, defaultMode }
    found.kind.collect(found.source, its, data, collection)
  }
}

/** The source that is set, of which there is at most one. */
function sourceIn<Source>(
  kinds: Readonly<Record<string, SourceKind<never>>>,
  holder: object,
):
  | {
      readonly name: string
      readonly kind: SourceKind<Source>
      readonly source: Source
    }
  | undefined {
  for (const [name, kind] of Object.entries(kinds)) {
    const source = (holder as Readonly<Record<string, unknown>>)[name]
    // By the types of the tables each kind takes the source of its name.
    if (source !== undefined)
      return {
        name,
        kind: kind as SourceKind<unknown>,
        source: source as Source,
      }
  }
  return undefined
}

function referencesIn(
  kinds: Readonly<Record<string, SourceKind<never>>>,
  holder: object,
): readonly ObjectReference[] {
  const found = sourceIn(kinds, holder)
  return found === undefined ? [] : found.kind.references(found.source)
}

/** Of one volume, what is to be said of each file that nobody sees. */
export function hiddenFileMessage(
  { path, earlierFieldPath }: HiddenFile,
  volume: Volume,
): string {
  return `volume ${goQuote(volume.name)}: ${goQuote(path)} takes the place of that of ${earlierFieldPath}`
}

/** Whether a volume's content is made, and kept up to date, by podfs. */
export function isManagedVolume(volume: Volume): boolean {
  return sourceIn(managed, volume) !== undefined
}

/** The objects whose change concerns a volume, each once. */
export function objectsReferenced(volume: Volume): readonly ObjectReference[] {
  const references = referencesIn(managed, volume)
  return [
    ...new Map(
      references.map(each => [`${each.kind}/${each.name}`, each]),
    ).values(),
  ]
}

/** The tokens that a volume asks for, in the order of its sources. */
export function tokensRequested(
  volume: Volume,
): ServiceAccountTokenProjection[] {
  // Stryker disable next-line ArrayDeclaration: of what is no source nothing comes
  return (volume.projected?.sources ?? []).flatMap(
    ({ serviceAccountToken }) => serviceAccountToken ?? [],
  )
}
