import type { ConfigMap, Pod, Secret } from '../../api/types.ts'
import type { Look, WellProbe } from '../../runner/lifecycle/probes/lookout.ts'
import type { OutputStream } from '../../runner/lifecycle/output-lines.ts'
import type { PodEvent } from '../../runner/status/pod-events.ts'
import type {
  PodStatus,
  WrittenStatus,
} from '../../runner/status/pod-status.ts'
import type { KeptLog, KeptPod } from '../../server/session-record.ts'
import type { PodPlan } from '../pod-processes.ts'
import type { ManagedVolume } from '../container-volumes.ts'

/** Changes with each change of what is said here. Others are not talked to. */
export const protocolVersion = 8

/** So often podfs says that it looks after probes. Each time wakes the shim. */
export const lookingMs = 60_000

/** What `podfs serve` says to a pod shim. */
export type ToShim =
  /** Of a shim that has started already only the objects count. */
  | { readonly say: 'start'; readonly plan: PodPlan; readonly objects: Objects }
  | { readonly say: 'update'; readonly pod: Pod }
  | { readonly say: 'written'; readonly written: WrittenStatus }
  /** All that the Pod's variables name and that there is. */
  | { readonly say: 'objects'; readonly objects: Objects }
  | { readonly say: 'wake' }
  /** The answer to `volume?`. */
  | {
      readonly say: 'volume'
      readonly name: string
      readonly volume: ManagedVolume
    }
  | { readonly say: 'renew volumes'; readonly request: number }
  /** Of a probe that it looks after: what the first look has found that has not simply succeeded. */
  | { readonly say: 'looked'; readonly probe: number; readonly look: Look }
  /** Each `lookingMs` while it looks after probes. */
  | { readonly say: 'looking' }
  | { readonly say: 'terminate'; readonly gracePeriodSeconds?: number }
  /** The Pod has ended by itself: undo everything, and remember it. */
  | { readonly say: 'rest' }
  /** Undo everything, and end. */
  | { readonly say: 'close' }

export type Objects = readonly (Secret | ConfigMap)[]

/** What a pod shim says to `podfs serve`. */
export type FromShim =
  /** The first thing that is said; `running`: the whole picture, when there is one. */
  | {
      readonly say: 'hello'
      readonly protocol: number
      readonly running?: RunningShim
    }
  | {
      readonly say: 'status'
      readonly status: PodStatus
      readonly processes: ReadonlyMap<string, number>
    }
  | { readonly say: 'event'; readonly event: PodEvent }
  | ({
      readonly say: 'output'
      readonly stream: OutputStream
      readonly chunk: Buffer
    } & OfInstance)
  | ({ readonly say: 'output end' } & OfInstance)
  /** Instead of output that was not sent one by one. */
  | { readonly say: 'logs'; readonly logs: readonly KeptLog[] }
  | { readonly say: 'volume?'; readonly name: string }
  | {
      readonly say: 'volumes renewed'
      readonly request: number
      readonly error?: string
    }
  /** Looks after a probe that is well, until it has `looked`, or is told to leave it. */
  | { readonly say: 'look'; readonly probe: number; readonly well: WellProbe }
  | { readonly say: 'leave'; readonly probe: number }
  | { readonly say: 'resting' }
  | { readonly say: 'notice'; readonly text: string }
  | {
      readonly say: 'failed mount'
      readonly fieldPath: string
      readonly message: string
    }
  | {
      readonly say: 'log'
      readonly level: 'debug' | 'info' | 'warn' | 'error'
      readonly facts: Readonly<Record<string, unknown>>
      readonly message: string
    }
  | { readonly say: 'finished'; readonly status: PodStatus }

interface OfInstance {
  readonly container: string
  readonly containerID: string
  /** Milliseconds since 1970. */
  readonly time: number
}

/** What a shim that was left by one `podfs serve` tells the next one. */
export interface RunningShim {
  /** As it was started, with the labels, annotations and ephemeral containers that it has now. */
  readonly plan: PodPlan
  /** The Pod is on its way out: it was told to go. */
  readonly isTerminating: boolean
  readonly written: WrittenStatus
  readonly record: KeptPod
  readonly processes: ReadonlyMap<string, number>
  /** The last status of a Pod that has ended. */
  readonly finished?: PodStatus
}
