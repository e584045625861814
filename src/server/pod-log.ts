import type { ServerResponse } from 'node:http'
import { objectKey, type ObjectKey } from '../api/object-key.ts'
import type { Pod } from '../api/types.ts'
import type { ContainerStatus } from '../runner/status/container-status.ts'
import type { PodStatus } from '../runner/status/pod-status.ts'
import { ApiError, badRequest, quote } from './api-error.ts'
import type { ContainerLog, LogLine } from './container-log.ts'
import type { Query } from './query.ts'
import type { SessionRecord } from './session-record.ts'

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
    if ([...containers, ...initContainers].includes(wanted)) return wanted
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
 * The log of the instance that counts (validateContainerLogStatus,
 * pkg/kubelet/kubelet_pods.go; docs/kubernetes.md#logs). Undefined: it never printed anything.
 */
export function chooseLog(
  record: SessionRecord,
  pod: Pod,
  status: PodStatus | undefined,
  container: string,
  previous: boolean,
): ContainerLog | undefined {
  const { namespace, name } = pod.metadata
  const which = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []),
  ].find(status => status.name === container)
  if (which === undefined)
    throw badRequest(
      `container ${quote(container)} in pod ${quote(name)} is not available`,
    )
  const key = objectKey('Pod', namespace, name)
  const isOfJob = pod.workload?.job !== undefined
  const earlier =
    previous && isOfJob && which.lastState.terminated === undefined
      ? lastBefore(record, key, which)
      : undefined
  return record.log(
    key,
    container,
    earlier ?? instanceOf(which, name, previous),
  )
}

/** Of a Job's Pod whose container has run once: that of the Pod before it. */
function lastBefore(
  record: SessionRecord,
  key: ObjectKey,
  { name, containerID, state }: ContainerStatus,
): string | undefined {
  const now = state.terminated?.containerID ?? containerID
  return record
    .logsOf(key)
    .findLast(log => log.container === name && log.containerID !== now)
    ?.containerID
}

function instanceOf(
  { name, state, lastState, containerID }: ContainerStatus,
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

/** The lines that are asked for; a line in several pieces counts as one. */
export function* selectLines(
  lines: Iterable<LogLine>,
  { since = -Infinity, tailLines }: Pick<LogOptions, 'since' | 'tailLines'>,
): Generator<LogLine> {
  let before = 0
  if (tailLines !== undefined) {
    for (const { time, isPartial } of lines)
      if (time >= since && !isPartial) before++
    before -= tailLines
  }
  for (const line of lines) {
    if (line.time < since) continue
    if (before <= 0) yield line
    else if (!line.isPartial) before--
  }
}

/** Writes the log until its end; with `follow` until the container's. */
export async function serveLog(
  response: ServerResponse,
  log: ContainerLog | undefined,
  options: LogOptions,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/plain' })
  response.flushHeaders()
  const budget = { left: options.limitBytes ?? Number.POSITIVE_INFINITY }
  let isLineStart = true
  const write = async (lines: Iterable<LogLine>): Promise<void> => {
    for (const line of lines) {
      if (budget.left === 0) return
      const bytes = formatLine(line, options.timestamps && isLineStart)
      isLineStart = !line.isPartial
      const part = bytes.subarray(0, Math.min(bytes.length, budget.left))
      budget.left -= part.length
      if (!response.write(part)) await drained(response)
    }
  }
  if (log !== undefined) {
    let next = log.end
    await write(selectLines(log.since(0), options))
    while (options.follow && !response.closed && budget.left > 0) {
      const lines = log.since(next)
      next = log.end
      await write(lines)
      if (log.end > next) continue
      if (log.hasEnded) break
      await more(log, response)
    }
  }
  response.end()
}

function formatLine({ time, text, isPartial }: LogLine, stamp: boolean) {
  return Buffer.concat([
    Buffer.from(stamp ? `${timestamp(time)} ` : ''),
    text,
    Buffer.from(isPartial ? '' : '\n'),
  ])
}

/** RFC 3339 with nine digits, as a kubelet writes them. */
function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000000Z')
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    if (response.closed) return resolve()
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

function more(log: ContainerLog, response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      unwatch()
      response.off('close', done)
      resolve()
    }
    const unwatch = log.watch(done)
    response.on('close', done)
  })
}
