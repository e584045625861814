import type { Pod } from '../api/types.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import { inBackground } from '../util/in-background.ts'
import {
  diskEmptyDirs,
  evictionPeriodMs,
  hasStorageLimit,
  whyEvicted,
} from './lifecycle/eviction.ts'
import type { RunningContainer } from './sandbox/container-runtime.ts'

export interface StorageWatchOptions {
  readonly pod: Pod
  readonly clock: Clock
  readonly logger: Logger
  /** Of one on the disk, in bytes. */
  readonly emptyDirUsage: (volume: string) => Promise<bigint>
  readonly running: () => ReadonlyMap<string, RunningContainer>
  /** Once, when the Pod is to go; it is not looked at any more. */
  readonly onExceeded: (message: string) => void
}

/**
 * Looks at what a Pod has written, as often as a kubelet, until it exceeds a limit or `stop` aborts.
 * A Pod without a limit is never looked at.
 */
export function watchStorage(
  options: StorageWatchOptions,
  stop: AbortSignal,
): void {
  const { pod, clock, logger, onExceeded } = options
  if (!hasStorageLimit(pod)) return
  const look = async (): Promise<void> => {
    let why: string | undefined
    try {
      why = await whyExceeded(options)
    } catch (err) {
      logger.warn({ err }, 'cannot see what the Pod has written')
    }
    if (stop.aborted) return
    if (why === undefined) next()
    else onExceeded(why)
  }
  let timer: { cancel(): void } | undefined
  const next = (): void => {
    timer = clock.after(evictionPeriodMs, () => inBackground(look()))
  }
  stop.addEventListener('abort', () => timer?.cancel(), { once: true })
  next()
}

async function whyExceeded({
  pod,
  emptyDirUsage,
  running,
}: StorageWatchOptions): Promise<string | undefined> {
  const emptyDirs = new Map<string, bigint>()
  for (const { name } of diskEmptyDirs(pod))
    emptyDirs.set(name, await emptyDirUsage(name))
  const containers = new Map<string, bigint>()
  for (const [name, container] of running())
    containers.set(name, (await container.writtenBytes?.()) ?? 0n)
  return whyEvicted(pod, { emptyDirs, containers })
}
