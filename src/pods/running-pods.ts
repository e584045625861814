import { withServiceAccountVolume } from '../api/automount.ts'
import { keyOf, type ObjectKey } from '../api/object-key.ts'
import type { Container, Pod } from '../api/types.ts'
import { findImage, type ImageMap } from '../runner/launch/images.ts'
import { OutputLines } from '../runner/lifecycle/output-lines.ts'
import {
  appletUses,
  type AppletUse,
} from '../runner/sandbox/busybox-applets.ts'
import { hasBusybox, machineLacks } from '../runner/sandbox/sandbox-runtime.ts'
import { SessionRecord } from '../server/session-record.ts'
import { Store, type StoreEvent } from '../store/store.ts'
import { inBackground } from '../util/in-background.ts'
import { allSettled } from '../util/all-settled.ts'
import { Failure } from '../util/failure.ts'
import { HistoryBudget } from '../volumes/history-budget.ts'
import {
  choosePodsToRun,
  isChosen,
  isCronJobsPod,
  type PodChoice,
  nameOfCronJob,
} from './choose-pods.ts'
import type { Cleanup } from '../session/cleanup.ts'
import { claimEmptyDirs } from './empty-dirs.ts'
import { asFailure } from '../session/failures.ts'
import { imageFindings } from './image-findings.ts'
import { thisNode } from './node-info.ts'
import { outputLabels } from './output-labels.ts'
import { PodAddresses } from './pod-addresses.ts'
import { failureText, podName, sourceName } from './pod-notices.ts'
import { startPodSession, type PodSessionContext } from './pod-session.ts'
import type { SessionDirectory } from '../session/runtime-directory.ts'
import {
  lazyServiceAccounts,
  readManifests,
  type SessionOptions,
} from '../session/session.ts'
import { startSessionServer } from '../session/session-server.ts'
import { longestOf, SupervisedPod, type PodOutcome } from './supervised-pod.ts'

export interface RunRequest extends SessionOptions {
  readonly choice: PodChoice
  /** CronJobs that are run besides what a choice of many has: `cronjob/NAME`. */
  readonly cronJobs: readonly string[]
  /** `PATTERN=COMMAND` of each --image. */
  readonly images: readonly string[]
  /** Whether a changed Pod is ended and started anew. */
  readonly recreate: boolean
  readonly hostRoot: boolean
  readonly onOutput: (stream: 'stdout' | 'stderr', lines: Uint8Array) => void
  /** A line for the person at the terminal that is neither output nor a mistake. */
  readonly notice: (text: string) => void
}

export interface RunSession {
  /** Resolves when every Pod has ended, each with its last run. */
  readonly finished: Promise<readonly PodOutcome[]>
  /** The longest of what runs. */
  readonly terminationSeconds: () => number
  /** Ends the Pods as their deletion does; the second call kills what is left at once. */
  terminate(): void
  /** Undoes everything; the Pods have finished. */
  close(): Promise<void>
}

/** What a run has before it knows its Pods. */
interface PreparedRun extends Pick<PodSessionContext, 'mount' | 'images'> {
  readonly session: SessionDirectory
}

/** Reads the manifests and starts the Pods. What it has made is undone by `cleanup`. */
export async function runPods(
  given: RunRequest,
  { session, mount, images }: PreparedRun,
  cleanup: Cleanup,
): Promise<RunSession> {
  const { namespace, places, choice, cronJobs } = given
  const lines = new OutputLines(given.onOutput, given.clock)
  const request: RunRequest = {
    ...given,
    notice: text => {
      lines.interrupt()
      given.notice(text)
    },
    report: finding => {
      lines.interrupt()
      given.report(finding)
    },
    onMended: path => {
      lines.interrupt()
      given.onMended(path)
    },
  }
  const store = new Store({ admit: withServiceAccountVolume })
  const accounts = lazyServiceAccounts(request)
  let onUnderWay = (): void => undefined
  const underWay = new Promise<void>(resolve => (onUnderWay = resolve))
  const [toRun, node, emptyDirs] = await allSettled([
    readManifests(request, store, underWay).then(source => {
      cleanup.add('source', () => source.close())
      const toRun = choosePodsToRun(store, namespace, choice, cronJobs)
      refuseUnknownImages(toRun.pods, images, request)
      tellMissingBusybox(toRun.pods, images, request)
      return toRun
    }),
    thisNode(),
    claimEmptyDirs(places, session.directory).then(emptyDirs => {
      cleanup.add('emptyDirs', () => emptyDirs.remove())
      return emptyDirs
    }),
  ])
  const record = new SessionRecord(request.clock)
  const running = new RunningPods(request, {
    ...request,
    store,
    session,
    mount,
    node,
    emptyDirs: emptyDirs.directory,
    addresses: new PodAddresses(places.runtime, session),
    images,
    ...accounts,
    lines,
    record,
    historyBudget: new HistoryBudget(),
  })
  cleanup.add('Pods', () => running.close())
  inBackground(tellLackingApplets(toRun.pods, images, request))
  for (const pod of toRun.leftOut) running.leaveOut(pod)
  for (const pod of toRun.pods) running.add(pod)
  cleanup.add(
    'API',
    startSessionServer({
      ...request,
      ...accounts,
      session,
      store,
      record,
      node,
      mount: await mount,
      startsPods: true,
      onUnderWay,
    }),
  )
  cleanup.add(
    'watch',
    store.watch(events => running.onEvents(events)),
  )
  return {
    finished: running.finished,
    terminationSeconds: () => running.terminationSeconds(),
    terminate: () => {
      inBackground(mount.then(mount => mount.endIfHung()))
      running.terminate()
    },
    close: async () => {
      await (await mount).endIfHung()
      await cleanup.run()
    },
  }
}

/** The Pods of one session: which there are, and what an event means for each. */
class RunningPods {
  readonly finished: Promise<readonly PodOutcome[]>
  readonly #request: RunRequest
  readonly #context: PodSessionContext
  readonly #pods = new Map<ObjectKey, SupervisedPod>()
  /** As they were last started: their containers have labels in the output. */
  readonly #started = new Map<ObjectKey, Pod>()
  readonly #allIdle: Promise<void>
  #resolveIdle: () => void = () => undefined
  #resolve: (outcomes: readonly PodOutcome[]) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined
  readonly #leftOut = new Set<ObjectKey>()
  #starts = 0
  #terminating = false

  constructor(request: RunRequest, context: PodSessionContext) {
    this.#request = request
    this.#context = context
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Nobody waits for it when the start fails meanwhile, and tells why.
    this.finished.catch(() => undefined)
    this.#allIdle = new Promise(resolve => (this.#resolveIdle = resolve))
  }

  add(pod: Pod): void {
    const { notice, recreate, report } = this.#request
    if (pod.workload !== undefined)
      notice(`${sourceName(pod)} runs as one Pod, ${pod.metadata.name}`)
    const supervised = new SupervisedPod({
      start: async version => {
        const pod = this.#context.store.beginRun(version)
        this.#started.set(keyOf(pod), pod)
        this.#context.lines.setLabels(outputLabels([...this.#started.values()]))
        this.#starts += 1
        return await startPodSession(pod, String(this.#starts), this.#context)
      },
      startable: pod => {
        const findings = imageFindings(pod, this.#context.images)
        for (const finding of findings) report(finding)
        return findings.length === 0
      },
      recreate,
      notice,
      onIdle: () => this.#onIdle(pod, supervised),
      onError: error => this.#reject(asFailure(error)),
    })
    this.#pods.set(keyOf(pod), supervised)
    supervised.want(pod)
  }

  leaveOut(pod: Pod): void {
    const key = keyOf(pod)
    if (this.#leftOut.has(key)) return
    this.#leftOut.add(key)
    this.#request.notice(
      `${sourceName(pod)} is left out; to run it at once, add ${nameOfCronJob(pod)}`,
    )
  }

  onEvents(events: readonly StoreEvent[]): void {
    for (const { type, object } of events)
      if (object.kind === 'Pod') this.#onPod(object, type === 'DELETED')
    for (const supervised of this.#pods.values()) supervised.wake()
  }

  terminationSeconds(): number {
    return longestOf([...this.#pods.values()])
  }

  terminate(): void {
    // A countdown may be drawn at the end of the output.
    this.#context.lines.keepInterrupted()
    for (const supervised of this.#pods.values())
      supervised.stop(this.#terminating ? 0 : undefined)
    this.#terminating = true
  }

  /** Whatever still runs, because podfs itself failed, is killed. */
  async close(): Promise<void> {
    const all = [...this.#pods.values()]
    if (all.every(({ idle }) => idle)) return
    for (const supervised of all) supervised.stop(0)
    await this.#allIdle
  }

  #onPod(pod: Pod, isGone: boolean): void {
    const { choice, notice } = this.#request
    const supervised = this.#pods.get(keyOf(pod))
    const isOpen = choice.kind === 'all' || choice.kind === 'selected'
    if (supervised === undefined) {
      if (isGone) this.#leftOut.delete(keyOf(pod))
      if (isGone || this.#terminating || !isChosen(choice, pod)) return
      if (isCronJobsPod(pod)) return this.leaveOut(pod)
      if (imageFindings(pod, this.#context.images).length === 0)
        notice(`${sourceName(pod)} is new: starting it`)
      this.add(pod)
    } else if (isGone) {
      supervised.drop('is gone from its files')
    } else if (isOpen && !isChosen(choice, pod) && !isCronJobsPod(pod)) {
      supervised.drop('is no longer selected')
    } else {
      supervised.want(pod)
    }
  }

  #onIdle(pod: Pod, { outcome }: SupervisedPod): void {
    const { notice } = this.#request
    const several = this.#pods.size > 1
    if (several && outcome !== undefined)
      notice(
        outcome.status.phase === 'Succeeded' ||
          outcome.deleted ||
          this.#terminating
          ? `Pod ${podName(pod)} has ended`
          : failureText(outcome.pod, outcome.status),
      )
    const all = [...this.#pods.values()]
    if (!all.every(({ idle }) => idle)) return
    if (several) notice('every Pod has ended')
    this.#resolveIdle()
    this.#resolve(all.flatMap(({ outcome }) => outcome ?? []))
  }
}

/** Before anything is started: each image with the flag to type. */
function refuseUnknownImages(
  pods: readonly Pod[],
  images: ImageMap,
  { report }: RunRequest,
): void {
  const findings = pods.flatMap(pod => imageFindings(pod, images))
  if (findings.length === 0) return
  for (const finding of findings) report(finding)
  throw new Failure('failed', 'an image is unknown; nothing was started')
}

function ofBusybox(pods: readonly Pod[], images: ImageMap): Container[] {
  return pods
    .flatMap(({ spec }) => [...spec.initContainers, ...spec.containers])
    .filter(({ image }) => findImage(images, image)?.busybox === true)
}

/** Of scripts that would wait for ever: the containers' own, as far as one can see. */
async function tellLackingApplets(
  pods: readonly Pod[],
  images: ImageMap,
  { notice }: RunRequest,
): Promise<void> {
  const users = ({ pattern }: AppletUse): readonly Container[] =>
    ofBusybox(pods, images).filter(({ command = [], args = [] }) =>
      [...command, ...args].some(word => pattern.test(word)),
    )
  const asked = appletUses.filter(use => users(use).length > 0)
  for (const lack of await machineLacks(asked)) {
    const names = users(lack).map(({ name }) => name)
    notice(
      `this machine has no ${lack.use}, which ${names.join(', ')} would run: its busybox cannot do it, and there is no other program (podfs doctor)`,
    )
  }
}

function tellMissingBusybox(
  pods: readonly Pod[],
  images: ImageMap,
  { notice }: RunRequest,
): void {
  const wanted = ofBusybox(pods, images)
  if (wanted.length === 0 || hasBusybox()) return
  notice(
    `this machine has no busybox: ${wanted.map(({ name }) => name).join(', ')} run with its own sh and tools`,
  )
}
