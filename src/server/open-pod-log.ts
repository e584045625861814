import { keyOf } from '../api/object-key.ts'
import type { Clock } from '../util/clock.ts'
import { logLink, openLogFiles } from './log-files.ts'
import {
  chooseContainer,
  chooseRun,
  logOptions,
  type LogOptions,
  type LogReader,
  readLog,
  runsNow,
} from './pod-log.ts'
import type { Query } from './query.ts'
import type { LivePod, SessionRecord } from './session-record.ts'

/**
 * The log that a query asks for, out of memory or out of files; undefined: nothing was printed.
 * Throws an ApiError for a query that makes no sense.
 */
export async function openPodLog(
  { pod, status, logRoot }: LivePod,
  query: Query,
  { record, clock }: { readonly record: SessionRecord; readonly clock: Clock },
): Promise<{
  readonly log: LogReader | undefined
  readonly options: LogOptions
}> {
  const options = logOptions(query, clock.now())
  const container = chooseContainer(pod, query.text('container'))
  const key = keyOf(pod)
  const containerID = chooseRun(
    pod,
    status,
    record.logsOf(key),
    container,
    options.previous,
  )
  if (logRoot === undefined) {
    const log = record.log(key, container, containerID)
    return { log: log && readLog(log), options }
  }
  const link = logLink(logRoot, pod, container, containerID)
  const log = await openLogFiles(link, {
    hasEnded: () =>
      !runsNow(record.pods.get(key)?.status, container, containerID),
    watch: listener =>
      record.watch(change => {
        if (change.kind === 'pod' && change.key === key) listener()
      }),
  })
  return { log, options }
}
