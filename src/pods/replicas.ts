import { keyOf, objectKey, type ObjectKey } from '../api/object-key.ts'
import type { Finding } from '../api/report.ts'
import type { Pod } from '../api/types.ts'
import { podOfReplica } from '../api/workload-pod.ts'
import type { ScaleControl } from '../server/scale.ts'
import type { SessionRecord } from '../server/session-record.ts'
import type { Store } from '../store/store.ts'
import { podName } from './pod-notices.ts'

export interface ReplicasOptions {
  readonly store: Store
  readonly record: SessionRecord
  /** Whether a Pod is run here at all. */
  readonly isToRun: (pod: Pod) => boolean
  readonly notice: (text: string) => void
  /** Tells of a Pod whose name another object has. */
  readonly report: (finding: Finding) => void
  /** What somebody has asked for, for the next podfs. */
  readonly save: (replicas: Readonly<Record<string, number>>) => void
}

/** What is known of the Pods of a workload when it is on its way to another number of them. */
export interface ScaleFacts {
  readonly current: number
  readonly wanted: number
  /** OrderedReady of a StatefulSet. */
  readonly inTurn: boolean
  /** Of those that there are, by index: it is ready, or not run here. */
  readonly isReady: (index: number) => boolean
  /** Nothing of it runs any more. */
  readonly isGone: (index: number) => boolean
}

/**
 * How many there are to be next: all at once, or one by one, as the StatefulSet controller has it
 * (pkg/controller/statefulset/stateful_set_control.go).
 */
export function nextCount(facts: ScaleFacts): number {
  const { current, wanted, inTurn, isReady, isGone } = facts
  if (!inTurn || current === wanted) return wanted
  if (wanted > current)
    return current === 0 || isReady(current - 1) ? current + 1 : current
  // The one that went last.
  return isGone(current) ? current - 1 : current
}

/**
 * How many Pods each workload has: one, until somebody scales it. What the files say of replicas
 * does not count, on a developer's machine.
 */
export class Replicas implements ScaleControl {
  /** What somebody has asked for. */
  readonly #wanted: Map<ObjectKey, number>
  /** As many are in the store. */
  readonly #current: Map<ObjectKey, number>
  /** Of each workload, as the files have it. */
  readonly #first = new Map<ObjectKey, Pod>()
  #options: ReplicasOptions | undefined
  #isStepping = false

  /** `left`: as `save` of the podfs before this one was told. */
  constructor(left: Readonly<Record<string, number>> = {}) {
    const entries = Object.entries(left) as [ObjectKey, number][]
    this.#wanted = new Map(entries)
    this.#current = new Map(entries)
  }

  /** For the store: the Pods instead of the one that the files have. */
  expand(first: Pod): readonly Pod[] {
    const key = workloadKey(first)
    if (key === undefined) return [first]
    this.#first.set(key, first)
    return Array.from({ length: this.#current.get(key) ?? 1 }, (_, index) =>
      podOfReplica(first, index),
    )
  }

  /** From now on the store and the record are followed. Returns what ends it. */
  follow(options: ReplicasOptions): () => void {
    this.#options = options
    const { store, record } = options
    for (const [key, replicas] of this.#wanted) record.scaled(key, replicas)
    const unwatch = [
      record.watch(({ kind }) => {
        if (kind === 'pod') this.#stepAll()
      }),
      store.watch(events => {
        for (const { type, object } of events)
          if (type === 'DELETED') this.#forget(keyOf(object))
      }),
    ]
    return () => {
      for (const end of unwatch) end()
    }
  }

  scale(key: ObjectKey, replicas: number): void {
    const before = this.#wanted.get(key) ?? 1
    const first = this.#first.get(key)
    if (first === undefined || this.#options === undefined) return
    this.#wanted.set(key, replicas)
    this.#options.record.scaled(key, replicas)
    this.#save()
    if (before !== replicas) {
      const { kind, name } = first.workload ?? {}
      const { namespace } = first.metadata
      this.#options.notice(
        `${kind} ${namespace}/${name} is scaled from ${before} to ${replicas}`,
      )
    }
    this.#stepAll()
  }

  /** The workload has left its files. */
  #forget(key: ObjectKey): void {
    if (!this.#wanted.delete(key)) return
    this.#current.delete(key)
    this.#first.delete(key)
    this.#options?.record.scaled(key, undefined)
    this.#save()
  }

  #save(): void {
    this.#options?.save(Object.fromEntries(this.#wanted))
  }

  /** What it does is told to those whom it follows. */
  #stepAll(): void {
    if (this.#isStepping) return
    this.#isStepping = true
    try {
      while ([...this.#wanted.keys()].some(key => this.#step(key)));
    } finally {
      this.#isStepping = false
    }
  }

  #step(key: ObjectKey): boolean {
    const options = this.#options
    const first = this.#first.get(key)
    const wanted = this.#wanted.get(key) ?? 1
    const current = this.#current.get(key) ?? 1
    if (options === undefined || first === undefined || current === wanted)
      return false
    const { store, record, isToRun, report } = options
    const statusOf = (index: number) =>
      record.pods.get(keyOf(podOfReplica(first, index)))
    const next = nextCount({
      current,
      wanted,
      inTurn: first.workload?.replica?.identity?.inTurn === true,
      isReady: index =>
        !isToRun(first) ||
        statusOf(index)?.status?.conditions.some(
          ({ type, status }) => type === 'Ready' && status === 'True',
        ) === true,
      isGone: index => statusOf(index) === undefined,
    })
    if (next === current) return false
    this.#current.set(key, next)
    for (const { finding } of store.expandAgain()) report(finding)
    return true
  }
}

function workloadKey({ workload, metadata }: Pod): ObjectKey | undefined {
  return workload && objectKey(workload.kind, metadata.namespace, workload.name)
}

/** What is said of a Pod that is there because its workload was scaled. */
export function startingReplica(pod: Pod): string | undefined {
  const { workload } = pod
  if (workload?.replica === undefined || workload.replica.index === 0)
    return undefined
  return `${workload.kind} ${pod.metadata.namespace}/${workload.name}: starting Pod ${podName(pod)}`
}
