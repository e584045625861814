import type { FileProjection, Payload } from '../writer/payload.ts'

export type ProjectionErrorCode =
  | 'PROJECTION_SECRET_NOT_FOUND'
  | 'PROJECTION_CONFIGMAP_NOT_FOUND'
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

/** What the sources of one volume have given so far. */
export class Collection {
  readonly #payload = new Map<string, FileProjection>()
  readonly #errors: ProjectionError[] = []

  /**
   * A later file takes the place of an earlier one, also in the order: the writer cleans the
   * paths, and of two that become equal it keeps the later.
   */
  addFile(path: string, file: FileProjection): void {
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

  get errors(): readonly ProjectionError[] {
    return this.#errors
  }
}
