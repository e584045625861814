import type { ObjectKey } from '../api/object-key.ts'
import type { Pod } from '../api/types.ts'
import type { WrittenStatus } from '../runner/status/pod-status.ts'

/**
 * Why a Pod of the files is not run: it was deleted, until its files say something else of it, or
 * stopped, until somebody starts it.
 */
export type Held = 'deleted' | 'stopped'

/** A Pod that is run here, and what can be done with it by hand. */
export interface ControlledPod {
  /** As it runs, with all updates; undefined when nothing of it runs. */
  readonly current: Pod | undefined
  /** What others have said of it. */
  readonly written: WrittenStatus
  /** Until its files say something else, or it ends. */
  update(pod: Pod): void
  setWritten(written: WrittenStatus): void
  /**
   * The Pod goes; one of a workload comes again, as its controller would have it. A further call
   * can only shorten the grace period.
   */
  delete(gracePeriodSeconds?: number): void
  /** It ends, and another one of its name takes its place. */
  restart(gracePeriodSeconds?: number): void
  /** It ends, and none takes its place until `start`. */
  hold(gracePeriodSeconds?: number): void
  /** It runs again, if it does not. */
  start(): void
}

/** The Pods that a podfs runs, by hand. */
export interface PodControl {
  /** Undefined of one that this podfs does not run. */
  find(key: ObjectKey): ControlledPod | undefined
  held(key: ObjectKey): Held | undefined
}
