import type { FileProjection, Payload } from '../writer/payload.ts'

export type ProjectionErrorCode =
  | 'PROJECTION_SECRET_NOT_FOUND'
  | 'PROJECTION_CONFIGMAP_NOT_FOUND'
  | 'PROJECTION_TRUST_BUNDLE_NOT_FOUND'
  | 'PROJECTION_KEY_NOT_FOUND'
  | 'PROJECTION_FIELD_UNSUPPORTED'
  | 'PROJECTION_CONTAINER_NOT_FOUND'
  | 'PROJECTION_RESOURCE_INVALID'
  | 'PROJECTION_TOKEN_UNAVAILABLE'

/** Why a source cannot be projected. A value, not thrown: all of them are gathered. */
export interface ProjectionError {
  readonly code: ProjectionErrorCode
  /** In the Pod: `spec.volumes[2].projected.sources[1].configMap.name`. */
  readonly fieldPath: string
  /** In the kubelet's words. */
  readonly message: string
}

/** A file of one source in whose place a later source puts its own. */
export interface HiddenFile {
  readonly path: string
  /** In the Pod: what gives the later file, and the earlier one. */
  readonly fieldPath: string
  readonly earlierFieldPath: string
}

/** Where a file comes from. */
interface FileField {
  readonly fieldPath: string
  /** The path stands in the Pod; else it is a key of an object. */
  readonly isInPod: boolean
}

/** What the sources of one volume have given so far. */
export class Collection {
  readonly #payload = new Map<string, FileProjection>()
  readonly #fields = new Map<string, FileField>()
  readonly #hidden: HiddenFile[] = []
  readonly #errors: ProjectionError[] = []

  /**
   * A later file takes the place of an earlier one, also in the order: the writer cleans the
   * paths, and of two that become equal it keeps the later.
   */
  addFile(path: string, file: FileProjection, field: FileField): void {
    const earlier = this.#fields.get(path)
    // Of paths that both stand in the Pod its validation warns.
    if (earlier !== undefined && !(earlier.isInPod && field.isInPod))
      this.#hidden.push({
        path,
        fieldPath: field.fieldPath,
        earlierFieldPath: earlier.fieldPath,
      })
    this.#fields.set(path, field)
    this.#payload.delete(path)
    this.#payload.set(path, file)
  }

  addError(
    code: ProjectionErrorCode,
    fieldPath: string,
    message: string,
  ): void {
    this.#errors.push({ code, fieldPath, message })
  }

  get payload(): Payload {
    return this.#payload
  }

  get hidden(): readonly HiddenFile[] {
    return this.#hidden
  }

  get errors(): readonly ProjectionError[] {
    return this.#errors
  }
}
