import type { VolumeHistory } from './volume-history.ts'

/** What a person can ask of one volume, on whichever mount it is at the moment. */
export interface VolumeControl {
  readonly history: VolumeHistory
  /**
   * Publishes an older generation again, and keeps it until the sources change or `unpin`.
   * False when the volume shows just that. Throws a VolumeError.
   */
  rollBack(generation: number): Promise<boolean>
  /** Publishes what the sources say. False when it was not pinned. Throws a VolumeError. */
  unpin(): Promise<boolean>
}
