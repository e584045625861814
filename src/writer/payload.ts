/**
 * What a volume is to hold: path below the volume's root to file.
 *
 * Paths are relative, use `/`, and are not yet cleaned or validated: that is the
 * writer's first step (kubelet pkg/volume/util/atomic_writer.go, FileProjection).
 */
export type Payload = ReadonlyMap<string, FileProjection>

export interface FileProjection {
  readonly data: Uint8Array
  /** Permission bits, 0 to 0o777. */
  readonly mode: number
  /** Owner of the file; absent: the writing process's own. */
  readonly fsUser?: number
  /** What gave it; for those who look at payloads, the writer does not. */
  readonly origin?: FileOrigin
}

/**
 * The object that a file's data is of; of a token, the account that it speaks for; of the
 * trust bundles of a signer, that signer.
 */
export interface FileOrigin {
  readonly kind:
    'ConfigMap' | 'Secret' | 'Pod' | 'ServiceAccount' | 'ClusterTrustBundle'
  readonly name: string
}
