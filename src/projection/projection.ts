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
  ConfigMap,
  NodeInfo,
  Pod,
  ProjectedVolumeSource,
  Secret,
  ServiceAccountTokenProjection,
  Volume,
} from '../api/types.ts'
import type { Payload } from '../writer/payload.ts'
import {
  Collection,
  type HiddenFile,
  type ProjectionError,
} from './collection.ts'
import { collectDownwardAPI } from './downward-files.ts'
import { collectConfigMap, collectSecret } from './key-files.ts'
import { tokenFile } from './token-file.ts'

export type {
  HiddenFile,
  ProjectionError,
  ProjectionErrorCode,
} from './collection.ts'

/** Why there is no token; any Error will do. */
export interface TokenFailure {
  readonly message: string
}

export interface ProjectionInput {
  readonly volume: Volume
  readonly pod: Pod
  readonly node: NodeInfo
  /** Looks in the Pod's namespace. */
  readonly secret: (name: string) => Secret | undefined
  /** Looks in the Pod's namespace. */
  readonly configMap: (name: string) => ConfigMap | undefined
  readonly token: (
    source: ServiceAccountTokenProjection,
  ) => string | TokenFailure
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
  const { volume, pod, node } = input
  const collection = new Collection()
  const index = pod.spec.volumes.findIndex(({ name }) => name === volume.name)
  const field = `spec.volumes[${Math.max(index, 0)}]`

  if (volume.secret !== undefined)
    collectSecret(
      input.secret(volume.secret.secretName),
      {
        ...volume.secret,
        name: volume.secret.secretName,
        nameField: `${field}.secret.secretName`,
        itemsField: `${field}.secret.items`,
      },
      collection,
    )
  else if (volume.configMap !== undefined)
    collectConfigMap(
      input.configMap(volume.configMap.name),
      {
        ...volume.configMap,
        nameField: `${field}.configMap.name`,
        itemsField: `${field}.configMap.items`,
      },
      collection,
    )
  else if (volume.downwardAPI !== undefined)
    collectDownwardAPI(
      pod,
      node,
      { ...volume.downwardAPI, itemsField: `${field}.downwardAPI.items` },
      collection,
    )
  else if (volume.projected !== undefined)
    collectProjected(
      input,
      volume.projected,
      `${field}.projected.sources`,
      collection,
    )
  else throw new TypeError(`volume ${volume.name} is not a managed volume`)

  const { payload, hidden, errors } = collection
  return errors.length === 0
    ? { ok: true, payload, hidden }
    : { ok: false, hidden, errors }
}

/** Source: pkg/volume/projected/projected.go, collectData. */
function collectProjected(
  input: ProjectionInput,
  { sources, defaultMode }: ProjectedVolumeSource,
  sourcesField: string,
  collection: Collection,
): void {
  for (const [i, source] of sources.entries()) {
    const field = `${sourcesField}[${i}]`
    if (source.secret !== undefined)
      collectSecret(
        input.secret(source.secret.name),
        {
          ...source.secret,
          defaultMode,
          nameField: `${field}.secret.name`,
          itemsField: `${field}.secret.items`,
        },
        collection,
      )
    else if (source.configMap !== undefined)
      collectConfigMap(
        input.configMap(source.configMap.name),
        {
          ...source.configMap,
          defaultMode,
          nameField: `${field}.configMap.name`,
          itemsField: `${field}.configMap.items`,
        },
        collection,
      )
    else if (source.downwardAPI !== undefined)
      collectDownwardAPI(
        input.pod,
        input.node,
        {
          ...source.downwardAPI,
          defaultMode,
          itemsField: `${field}.downwardAPI.items`,
        },
        collection,
      )
    else if (source.serviceAccountToken !== undefined) {
      const token = input.token(source.serviceAccountToken)
      if (typeof token === 'string')
        collection.addFile(
          source.serviceAccountToken.path,
          tokenFile(input.pod, token, defaultMode),
          { fieldPath: `${field}.serviceAccountToken.path`, isInPod: true },
        )
      else
        collection.addError(
          'PROJECTION_TOKEN_UNAVAILABLE',
          `${field}.serviceAccountToken`,
          token.message,
        )
    }
  }
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
  return (
    volume.secret !== undefined ||
    volume.configMap !== undefined ||
    volume.downwardAPI !== undefined ||
    volume.projected !== undefined
  )
}

/** The names of the objects, in the Pod's namespace, whose change concerns a volume. */
export function objectsReferenced(volume: Volume): {
  secrets: string[]
  configMaps: string[]
} {
  const secrets = new Set<string>()
  const configMaps = new Set<string>()
  if (volume.secret !== undefined) secrets.add(volume.secret.secretName)
  if (volume.configMap !== undefined) configMaps.add(volume.configMap.name)
  for (const { secret, configMap } of volume.projected?.sources ?? []) {
    if (secret !== undefined) secrets.add(secret.name)
    if (configMap !== undefined) configMaps.add(configMap.name)
  }
  return { secrets: [...secrets], configMaps: [...configMaps] }
}

/** The tokens that a volume asks for, in the order of its sources. */
export function tokensRequested(
  volume: Volume,
): ServiceAccountTokenProjection[] {
  return (volume.projected?.sources ?? []).flatMap(
    ({ serviceAccountToken }) => serviceAccountToken ?? [],
  )
}
