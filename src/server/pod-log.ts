import type { Writable } from 'node:stream'
import { everyContainer } from '../api/every-container.ts'
import type { Pod } from '../api/types.ts'
import type { EphemeralContainerStatus } from '../runner/status/container-status.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'
import { writableAgain } from '../util/writable-again.ts'
import { ApiError, badRequest, quote } from './api-error.ts'
import type { ContainerLog, LogLine } from './container-log.ts'
import type { Query } from './query.ts'
import type { KeptLog } from './session-record.ts'

export interface LogOptions {
  readonly follow: boolean
  readonly previous: boolean
  readonly timestamps: boolean
  readonly tailLines: number | undefined
  /** Milliseconds since 1970. */
  readonly since: number | undefined
  readonly limitBytes: number | undefined
}

/** PodLogOptions of core/v1. Throws an ApiError. */
export function logOptions(query: Query, now: number): LogOptions {
  const atLeast = (name: string, least: number): number | undefined => {
    const value = query.integer(name)
    if (value !== undefined && value < least)
      throw invalid(
        name,
        `${value}: must be greater than ${least === 0 ? 'or equal to 0' : '0'}`,
      )
    return value
  }
  const sinceSeconds = atLeast('sinceSeconds', 1)
  const sinceTime = query.text('sinceTime')
  if (sinceSeconds !== undefined && sinceTime !== '')
    throw new ApiError(
      422,
      'Invalid',
      'PodLogOptions "" is invalid: <nil>: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
    )
  const at = Date.parse(sinceTime)
  if (sinceTime !== '' && Number.isNaN(at))
    throw badRequest(`parsing time ${quote(sinceTime)}: not RFC 3339`)
  return {
    follow: query.flag('follow'),
    previous: query.flag('previous'),
    timestamps: query.flag('timestamps'),
    tailLines: atLeast('tailLines', 0),
    limitBytes: atLeast('limitBytes', 1),
    since:
      sinceSeconds === undefined
        ? sinceTime === ''
          ? undefined
          : at
        : now - sinceSeconds * 1000,
  }
}

function invalid(field: string, what: string): ApiError {
  return new ApiError(
    422,
    'Invalid',
    `PodLogOptions "" is invalid: ${field}: Invalid value: ${what}`,
  )
}

/** The container whose log is meant. Throws the API server's words otherwise. */
export function chooseContainer(pod: Pod, wanted: string): string {
  const { name } = pod.metadata
  const containers = pod.spec.containers.map(({ name }) => name)
  const initContainers = pod.spec.initContainers.map(({ name }) => name)
  if (wanted !== '') {
    if (everyContainer(pod.spec).some(each => each.name === wanted))
      return wanted
    throw badRequest(`container ${wanted} is not valid for pod ${name}`)
  }
  const [only, ...others] = containers
  if (only !== undefined && others.length === 0 && initContainers.length === 0)
    return only
  const orInit =
    initContainers.length === 0
      ? ''
      : ` or one of the init containers: [${initContainers.join(' ')}]`
  throw badRequest(
    `a container name must be specified for pod ${name}, choose one of: [${containers.join(' ')}]${orInit}`,
  )
}

/**
 * The ID of the run that counts (validateContainerLogStatus, pkg/kubelet/kubelet_pods.go;
 * docs/kubernetes.md#logs). Throws an ApiError when there is none. `logs`: of all runs that are
 * remembered, the older ones first.
 */
export function chooseRun(
  { metadata: { name }, workload }: Pod,
  status: PodStatus | undefined,
  logs: readonly KeptLog[],
  container: string,
  previous: boolean,
): string {
  const which = statusOf(status, container)
  if (which === undefined)
    throw badRequest(
      `container ${quote(container)} in pod ${quote(name)} is not available`,
    )
  const isOfJob = workload?.job !== undefined
  return (
    (previous && isOfJob && which.lastState.terminated === undefined
      ? lastBefore(logs, which)
      : undefined) ?? instanceOf(which, name, previous)
  )
}

/** Whether a run of a container is the one that runs now. */
export function runsNow(
  status: PodStatus | undefined,
  container: string,
  containerID: string,
): boolean {
  const which = statusOf(status, container)
  return which?.state.running !== undefined && which.containerID === containerID
}

function statusOf(
  status: PodStatus | undefined,
  container: string,
): EphemeralContainerStatus | undefined {
  return [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ].find(({ name }) => name === container)
}

/** Of a Job's Pod whose container has run once: that of the Pod before it. */
function lastBefore(
  logs: readonly KeptLog[],
  { name, containerID, state }: EphemeralContainerStatus,
): string | undefined {
  const now = state.terminated?.containerID ?? containerID
  return logs.findLast(log => log.container === name && log.containerID !== now)
    ?.containerID
}

function instanceOf(
  { name, state, lastState, containerID }: EphemeralContainerStatus,
  pod: string,
  previous: boolean,
): string {
  const what = `container ${quote(name)} in pod ${quote(pod)}`
  const last = lastState.terminated?.containerID
  if (previous) {
    if (last === undefined)
      throw badRequest(`previous terminated ${what} not found`)
    return last
  }
  if (state.running !== undefined && containerID !== undefined)
    return containerID
  const ended = state.terminated?.containerID ?? last
  if (ended !== undefined) return ended
  if (state.terminated !== undefined) throw badRequest(`${what} is terminated`)
  const reason = state.waiting?.reason
  throw badRequest(
    `${what} is waiting to start: ${reason === 'ErrImagePull' ? "image can't be pulled" : reason}`,
  )
}

/** The log of one run, as it is when somebody begins to read. */
export interface LogReader {
  /** The same each time. */
  lines(): Iterable<LogLine> | AsyncIterable<LogLine>
  /** What comes after those, until the run has ended or the reader has gone. Once. */
  more(reader: AbortSignal): AsyncIterable<LogLine>
  close(): Promise<void>
}

/** Of what is kept in memory. */
export function readLog(log: ContainerLog): LogReader {
  let next = log.end
  const lines = log.since(0)
  return {
    lines: () => lines,
    more: async function* (reader) {
      while (!reader.aborted) {
        const newer = log.since(next)
        next = log.end
        yield* newer
        if (log.end > next) continue
        if (log.hasEnded) return
        await changed(log, reader)
      }
    },
    close: async () => undefined,
  }
}

/** The lines that are asked for; a line in several pieces counts as one. */
export async function* selectLines(
  log: Pick<LogReader, 'lines'>,
  { since = -Infinity, tailLines }: Pick<LogOptions, 'since' | 'tailLines'>,
): AsyncGenerator<LogLine> {
  let before = 0
  if (tailLines !== undefined) {
    for await (const { time, isPartial } of log.lines())
      if (time >= since && !isPartial) before++
    before -= tailLines
  }
  for await (const line of log.lines()) {
    if (line.time < since) continue
    if (before <= 0) yield line
    else if (!line.isPartial) before--
  }
}

/** Writes the log until its end; with `follow` until the container's. */
export async function serveLog(
  to: Writable,
  log: LogReader | undefined,
  options: LogOptions,
): Promise<void> {
  const reader = new AbortController()
  to.once('close', () => reader.abort())
  const budget = { left: options.limitBytes ?? Number.POSITIVE_INFINITY }
  let isLineStart = true
  const write = async (lines: AsyncIterable<LogLine>): Promise<void> => {
    for await (const line of lines) {
      const bytes = formatLine(line, options.timestamps && isLineStart)
      isLineStart = !line.isPartial
      const part = bytes.subarray(0, Math.min(bytes.length, budget.left))
      budget.left -= part.length
      if (!to.write(part)) await writableAgain(to)
      if (budget.left === 0 || reader.signal.aborted) return
    }
  }
  try {
    if (log === undefined) return
    await write(selectLines(log, options))
    if (options.follow && budget.left > 0 && !reader.signal.aborted)
      await write(log.more(reader.signal))
  } finally {
    await log?.close()
    to.end()
  }
}

function formatLine({ time, text, isPartial }: LogLine, stamp: boolean) {
  return Buffer.concat([
    Buffer.from(stamp ? `${timestamp(time)} ` : ''),
    text,
    Buffer.from(isPartial ? '' : '\n'),
  ])
}

/** RFC 3339 with nine digits, as a kubelet writes them. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000000Z')
}

function changed(log: ContainerLog, reader: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      unwatch()
      reader.removeEventListener('abort', done)
      resolve()
    }
    const unwatch = log.watch(done)
    reader.addEventListener('abort', done)
  })
}
