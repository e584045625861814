import type { Container, Pod } from '../../api/types.ts'
import type { BackoffOptions } from '../../util/backoff.ts'
import {
  configRetryMs,
  crashLoopWait,
  hasStarted,
  hasStartedHere,
  newRecord,
  type ContainerRecord,
  type RunningInstance,
} from './container-record.ts'
import {
  isSidecar,
  mayRestart,
  restartsAll,
  shouldRestart,
} from './restart-policy.ts'

/** What to do next; the executor does them in order and asks again. */
export type Step =
  /** Its probe says so; `restart`: another instance is to follow at once. */
  | {
      readonly step: 'kill'
      readonly container: string
      readonly because: FailedProbe
      readonly restart: boolean
    }
  | { readonly step: 'start'; readonly container: string }
  /** Tell that the container waits for its back-off of `delayMs`. */
  | {
      readonly step: 'backOff'
      readonly container: string
      readonly delayMs: number
    }
  /** This one has ended, and by its rule all begin anew. */
  | { readonly step: 'restartAll'; readonly container: string }
  /** Nothing more before this time, unless something happens. */
  | { readonly step: 'waitUntil'; readonly time: number }
  /** The last step there is: end what runs, then the Pod has ended. */
  | { readonly step: 'killPod'; readonly because: KillReason }

export type FailedProbe = NonNullable<RunningInstance['failedProbe']>

export type KillReason =
  'deleted' | 'deadlineExceeded' | 'evicted' | 'initFailed' | 'finished'

export interface PlanInput {
  readonly pod: Pod
  readonly records: ReadonlyMap<string, ContainerRecord>
  /** When the Pod was first seen: activeDeadlineSeconds counts from here. */
  readonly startTime: number
  readonly now: number
  readonly deleting: boolean
  /** It has written more than it may. */
  readonly isEvicted?: boolean
  /** Of a crash loop. */
  readonly backoff: BackoffOptions
  /** By name, those that can be mounted; absent: there is no sandbox yet. */
  readonly volumes?: { readonly has: (name: string) => boolean }
}

/**
 * One sync of a Pod whose volumes and sandbox are ready (computePodActions and
 * computeInitContainerActions in pkg/kubelet/kuberuntime/; docs/kubernetes.md#start-order).
 */
export function planPod(input: PlanInput): readonly Step[] {
  const { pod, now } = input
  if (input.deleting) return [{ step: 'killPod', because: 'deleted' }]
  const deadline = deadlineOf(pod, input.startTime)
  if (deadline !== undefined && now >= deadline) {
    return [{ step: 'killPod', because: 'deadlineExceeded' }]
  }
  if (input.isEvicted) return [{ step: 'killPod', because: 'evicted' }]
  const trigger = restartAllTrigger(input)
  if (trigger?.step?.step === 'start')
    return [{ step: 'restartAll', container: trigger.step.container }]
  const wanted = wantedContainers(input)
  if (typeof wanted === 'string') return [{ step: 'killPod', because: wanted }]

  const steps: Step[] = killSteps(input)
  const times = [deadline, trigger?.time].filter(time => time !== undefined)
  for (const container of [...wantedEphemeral(input), ...wanted]) {
    const record = recordOf(input, container)
    const { step, time } = stepToStart(container, record, input)
    if (step !== undefined) steps.push(step)
    if (time !== undefined) times.push(time)
  }
  if (times.length > 0) {
    steps.push({ step: 'waitUntil', time: Math.min(...times) })
  }
  return steps
}

/** Whoever is killed comes before whoever is started (SyncPod, kuberuntime_manager.go). */
function killSteps(input: PlanInput): Step[] {
  return allContainers(input.pod).flatMap(container => {
    const because = recordOf(input, container).running?.failedProbe
    if (because === undefined) return []
    // Decided before it is killed: with which exit code it ends does not count.
    const restart = mayRestart(input.pod, container)
    return [{ step: 'kill', container: container.name, because, restart }]
  })
}

function allContainers({ spec }: Pod): readonly Container[] {
  return [...spec.initContainers, ...spec.containers]
}

/**
 * Once there is a sandbox, also before the Pod has initialized, and never again. Volumes that no
 * other container mounts are waited for by them alone.
 */
function wantedEphemeral(input: PlanInput): readonly Container[] {
  const { pod, volumes } = input
  const { ephemeralContainers = [] } = pod.spec
  if (volumes === undefined) return []
  return ephemeralContainers.filter(
    container =>
      !hasStarted(recordOf(input, container)) &&
      container.volumeMounts.every(({ name }) => volumes.has(name)),
  )
}

/** What it would be to start the container whose end is that of all, if there is one. */
function restartAllTrigger(input: PlanInput): Start | undefined {
  for (const container of allContainers(input.pod)) {
    const record = recordOf(input, container)
    const { running, dead } = record
    if (running !== undefined || dead === undefined) continue
    if (restartsAll(container, dead.exitCode))
      return stepToStart(container, record, input)
  }
  return undefined
}

/** When activeDeadlineSeconds ends the Pod (pkg/kubelet/active_deadline.go). */
export function deadlineOf(pod: Pod, startTime: number): number | undefined {
  const { activeDeadlineSeconds } = pod.spec
  return activeDeadlineSeconds === undefined
    ? undefined
    : startTime + activeDeadlineSeconds * 1000
}

/** The containers that should run and do not, in the order to start them; or the end. */
function wantedContainers(
  input: PlanInput,
): readonly Container[] | 'initFailed' | 'finished' {
  const { containers } = input.pod.spec
  const init = wantedInitContainers(input)
  if (init === 'initFailed' || !init.initialized) {
    return init === 'initFailed' ? init : init.wanted
  }
  const wanted = containers.filter(container => {
    const { running, dead, replaced, lostSandbox } = recordOf(input, container)
    if (running !== undefined) return false
    return (
      dead === undefined ||
      replaced !== undefined ||
      lostSandbox?.restart === true ||
      shouldRestart(input.pod, container, dead.exitCode)
    )
  })
  const anyRuns = containers.some(
    container => recordOf(input, container).running !== undefined,
  )
  // Sidecars do not keep a Pod alive, and are not started again for its end.
  if (!anyRuns && wanted.length === 0) return 'finished'
  return [...init.wanted, ...wanted]
}

/**
 * Init containers start one after the other: after a plain one the next starts when it has exited
 * with 0, after a sidecar when it is started, which is when its startup probe, if it has one, has
 * succeeded. A sidecar that ended is started again at any time, together with whatever comes later.
 */
function wantedInitContainers(
  input: PlanInput,
):
  | 'initFailed'
  | { readonly initialized: boolean; readonly wanted: readonly Container[] } {
  const { initContainers, containers } = input.pod.spec
  const regularStarted = containers.some(container =>
    hasStartedHere(recordOf(input, container)),
  )
  // The newest of the init containers that have been reached.
  const current = initContainers.findLastIndex(container =>
    hasStartedHere(recordOf(input, container)),
  )
  const before = regularStarted
    ? initContainers
    : initContainers.slice(0, Math.max(current, 0))
  const wanted = before.filter(
    container =>
      isSidecar(container) && recordOf(input, container).running === undefined,
  )
  if (regularStarted) return { initialized: true, wanted }

  const reached = initContainers[current]
  const next = initContainers[current + 1]
  const goOn =
    next === undefined
      ? { initialized: true, wanted }
      : { initialized: false, wanted: [...wanted, next] }
  if (reached === undefined) return goOn
  const { running, dead } = recordOf(input, reached)
  if (isSidecar(reached)) {
    if (running === undefined)
      return { initialized: false, wanted: [...wanted, reached] }
    return running.started ? goOn : { initialized: false, wanted }
  }
  if (running !== undefined || dead === undefined) {
    return { initialized: false, wanted }
  }
  if (dead.exitCode === 0) return goOn
  return shouldRestart(input.pod, reached, dead.exitCode)
    ? { initialized: false, wanted: [...wanted, reached] }
    : 'initFailed'
}

interface Start {
  readonly step?: Step
  /** Not before. */
  readonly time?: number
}

/** Start it now, or wait: for its back-off, or for another look at what it lacks. */
function stepToStart(
  { name }: Container,
  record: ContainerRecord,
  { now, backoff }: PlanInput,
): Start {
  const { failure } = record
  const { from, delayMs } = crashLoopWait(record, backoff) ?? {
    from: 0,
    delayMs: 0,
  }
  if (isAhead(from + delayMs, delayMs, now)) {
    const told = failure?.reason === 'CrashLoopBackOff'
    return {
      time: from + delayMs,
      ...(told ? {} : { step: { step: 'backOff', container: name, delayMs } }),
    }
  }
  const { retryAt = 0 } = failure ?? {}
  if (isAhead(retryAt, configRetryMs, now)) return { time: retryAt }
  return { step: { step: 'start', container: name } }
}

/** Also false when more is left than `wholeMs`: then the time of day was set back meanwhile. */
function isAhead(time: number, wholeMs: number, now: number): boolean {
  return now < time && time - now <= wholeMs
}

function recordOf(input: PlanInput, { name }: Container): ContainerRecord {
  return input.records.get(name) ?? newRecord
}
