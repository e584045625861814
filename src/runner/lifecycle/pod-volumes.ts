import { mountFailure } from '../../api/mount-failure.ts'
import type { ChangeSignal } from './change-signal.ts'
import type { ContainerVolume } from '../launch/launch.ts'

const firstRetryMs = 500
/** 2 min 2 s, as in pkg/util/goroutinemap/exponentialbackoff (docs/kubernetes.md#volumes-that-fail). */
const maxRetryMs = 122_000

export interface PodVolumesOptions {
  readonly volume: (name: string) => Promise<ContainerVolume>
  readonly changes: ChangeSignal
  /** Told once for each new reason, not for each try. */
  readonly onFailedMount: (message: string) => void
  readonly stopped: () => boolean
}

/**
 * Resolves when every volume is ready, or when `stopped`. One that fails is tried again at
 * every change and after 0.5, 1, 2 ... s.
 */
export async function waitForVolumes(
  names: readonly string[],
  options: PodVolumesOptions,
): Promise<ReadonlyMap<string, ContainerVolume>> {
  const ready = new Map<string, ContainerVolume>()
  const all = Promise.all(
    names.map(async name => {
      const volume = await waitForVolume(name, options)
      if (volume !== undefined) ready.set(name, volume)
    }),
  )
  await Promise.race([all, untilStopped(options)])
  // A copy: what becomes ready after the stop belongs to nobody.
  return new Map(ready)
}

async function waitForVolume(
  name: string,
  options: PodVolumesOptions,
): Promise<ContainerVolume | undefined> {
  const { changes } = options
  let told: string | undefined
  for (let retryMs = firstRetryMs; !options.stopped(); retryMs *= 2) {
    const seen = changes.version
    try {
      return await options.volume(name)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      const message = mountFailure(name, reason)
      if (message !== told && !options.stopped()) options.onFailedMount(message)
      told = message
    }
    await changes.wait(seen, Math.min(retryMs, maxRetryMs))
  }
  return undefined
}

async function untilStopped({
  changes,
  stopped,
}: PodVolumesOptions): Promise<void> {
  while (!stopped()) await changes.wait(changes.version)
}
