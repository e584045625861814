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
}
