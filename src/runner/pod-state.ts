import { everyContainer } from '../api/every-container.ts'
import type {
  Container,
  EphemeralContainer,
  NodeInfo,
  Pod,
} from '../api/types.ts'
import type { Clock } from '../util/clock.ts'
import type { BackoffOptions } from '../util/backoff.ts'
import {
  crashLoopBackoff,
  newRecord,
  type ContainerRecord,
} from './lifecycle/container-record.ts'
import type { Unscheduled } from './lifecycle/schedule-pod.ts'
import type { HandlerTarget } from './lifecycle/handler-target.ts'
import type { HookResult } from './lifecycle/run-hook.ts'
import type { RunningContainer } from './sandbox/container-runtime.ts'
import { containerFieldPath, type PodEvent } from './status/pod-events.ts'
import {
  podStatus,
  type PodStatus,
  type WrittenStatus,
  type Rejection,
} from './status/pod-status.ts'

export interface PodStateOptions {
  readonly pod: Pod
  readonly node: NodeInfo
  /** Absent: it is known when there is a sandbox. Not used with hostNetwork. */
  readonly podIP?: string
  readonly clock: Clock
  /** What a crash loop waits, as a share of a kubelet's back-off; without it all of that. */
  readonly backoffScale?: number
  readonly onStatus: (status: PodStatus) => void
  readonly onEvent: (event: PodEvent) => void
}

/** What the runner knows of its Pod, and the telling of it: statuses and events. */
export class PodState {
  pod: Pod
  /** When it was put on this node. */
  startTime: number
  readonly backoff: BackoffOptions
  readonly records = new Map<string, ContainerRecord>()
  sandbox: 'none' | 'ready' | 'stopped' = 'none'
  deleting = false
  /** It has written more than it may: what is said of that. */
  evictionMessage: string | undefined
  /** All containers are being ended, to begin anew. */
  isRestartingAll = false
  unscheduled: Unscheduled | 'otherNode' | undefined
  /** Nothing runs any more and nothing will. */
  hasEnded = false
  /** The Pod itself failed, whatever its containers did. */
  failure: { readonly reason: string; readonly message: string } | undefined
  /** What others say of it. */
  written: WrittenStatus = { conditions: [] }
  podIPs: readonly string[]
  /** See RunningSandbox. */
  isProxied = false
  rejection: Rejection | undefined
  readonly #options: PodStateOptions
  /** Those that ran when the Pod was to go, as they last ran. */
  #ending: Map<string, ContainerRecord> | undefined
  #status: PodStatus | undefined

  constructor(options: PodStateOptions) {
    this.#options = options
    this.pod = options.pod
    this.startTime = options.clock.now()
    this.backoff = crashLoopBackoff(options.backoffScale)
    const { node, podIP } = options
    const first = this.pod.spec.hostNetwork ? node.ip : podIP
    this.podIPs = first === undefined ? [] : [first]
  }

  container(name: string): Container | EphemeralContainer {
    const container = everyContainer(this.pod.spec).find(
      candidate => candidate.name === name,
    )
    if (container === undefined) throw new Error(`no container ${name}`)
    return container
  }

  /** It runs once, whatever happens to the others. */
  isEphemeral(name: string): boolean {
    const { ephemeralContainers = [] } = this.pod.spec
    return ephemeralContainers.some(container => container.name === name)
  }

  record(name: string): ContainerRecord {
    return this.records.get(name) ?? newRecord
  }

  update(
    name: string,
    change: (record: ContainerRecord) => ContainerRecord,
  ): void {
    this.records.set(name, change(this.record(name)))
  }

  /** What the hooks and probes of a container that runs work with. */
  target(name: string, running: RunningContainer): HandlerTarget {
    const [podIP = ''] = this.podIPs
    return {
      container: this.container(name),
      podIP,
      ...(this.isProxied && {
        isListenedOn: (port: number) => running.isListenedOn?.(port) ?? true,
      }),
      exec: (argv, abort) => running.exec(argv, abort),
    }
  }

  /** Computes the status, and tells it when it is another one than before. */
  publish(): PodStatus {
    const { node, clock, onStatus } = this.#options
    const previous = this.#status
    const status = podStatus({
      pod: this.pod,
      node,
      podIPs: this.podIPs,
      records: this.#shownRecords(),
      startTime: this.startTime,
      now: clock.now(),
      sandboxReady: this.sandbox === 'ready',
      sandboxEverReady: this.sandbox !== 'none',
      deleting: this.deleting,
      finished: this.hasEnded,
      isRestartingAll: this.isRestartingAll,
      written: this.written,
      ...(this.failure === undefined ? {} : { failure: this.failure }),
      ...(this.rejection && { rejection: this.rejection }),
      ...(this.unscheduled && { unscheduled: this.unscheduled }),
      ...(previous === undefined ? {} : { previous }),
    })
    this.#status = status
    const isNews = JSON.stringify(status) !== JSON.stringify(previous)
    if (isNews) onStatus(status)
    return status
  }

  /**
   * Of a Pod that is to go a kubelet tells nothing of who has stopped until all have, but what
   * becomes of readiness (docs/kubernetes.md#termination).
   */
  #shownRecords(): ReadonlyMap<string, ContainerRecord> {
    if (!this.deleting || this.hasEnded) return this.records
    const runs = [...this.records].filter(([, { running }]) => running)
    this.#ending ??= new Map(runs)
    for (const [name, record] of runs)
      if (this.#ending.has(name)) this.#ending.set(name, record)
    return new Map([...this.records, ...this.#ending])
  }

  /** A Normal event, of a container or of the Pod. */
  tell(reason: string, message: string, container?: string): void {
    this.#event('Normal', reason, message, container)
  }

  /** A Warning event. */
  warn(reason: string, message: string, container?: string): void {
    this.#event('Warning', reason, message, container)
  }

  /** Of a hook that asked by HTTPS and was answered by HTTP (pkg/kubelet/lifecycle/handlers.go). */
  tellFallback(container: string, result: HookResult): void {
    if (result.outcome !== 'succeeded' || result.fallback === undefined) return
    const message = `request to HTTPS lifecycle hook ${result.fallback} got HTTP response, retry with HTTP succeeded`
    this.warn('LifecycleHTTPFallback', message, container)
  }

  #event(
    type: PodEvent['type'],
    reason: string,
    message: string,
    container: string | undefined,
  ): void {
    const fieldPath =
      container === undefined
        ? {}
        : { fieldPath: containerFieldPath(this.pod, container) }
    this.#options.onEvent({ type, reason, message, ...fieldPath })
  }
}
