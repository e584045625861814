import type { SettingsFor } from '../config/settings.ts'
import type { Clock } from '../util/clock.ts'
import { backendNames, type BackendName } from '../volumes/backend.ts'
import { missing, ok, warning, type Check } from '../session/machine/check.ts'
import { checkMachine } from '../session/machine/checks.ts'
import { readMachineFacts } from '../session/machine/machine-facts.ts'
import { tryPod, type TriedPod } from '../session/machine/try-pod.ts'
import { tryScratchSwap, type ScratchSwap } from './scratch-swap.ts'
import type { Places } from '../session/places.ts'

export type { Check } from '../session/machine/check.ts'

export interface DoctorOptions {
  readonly places: Places
  readonly clock: Clock
  readonly settings: SettingsFor<'cni.binDirs'>
}

/** What podfs finds on this machine, and whether a real swap on each backend, and a Pod, work. */
export async function examine(options: DoctorOptions): Promise<Check[]> {
  const facts = await readMachineFacts(
    options.places,
    options.settings.cni.binDirs,
  )
  const checks = checkMachine(facts)
  for (const backend of backendNames) {
    // One after the other: they share the session's directory name.
    const swap = await tryScratchSwap({
      clock: options.clock,
      backend,
      runtime: options.places.runtime,
    })
    checks.push(checkSwap(backend, swap))
  }
  return [...checks, checkPod(await tryPod())]
}

function checkPod(tried: TriedPod): Check {
  const name = 'a Pod'
  return tried.ok
    ? ok(name, `its container has read a volume; ${tried.ms.toFixed(0)} ms`)
    : missing(name, tried.reason, tried.fix)
}

/** Only the default backend is needed; the others are another way to the same. */
function checkSwap(backend: BackendName, swap: ScratchSwap): Check {
  const name = `swap on ${backend}`
  if (swap.ok)
    return ok(
      name,
      `seen by a watcher after ${swap.ms.toFixed(1)} ms; ${swap.isReadOnly ? 'a write by others: EROFS' : 'a plain directory, of this user alone'}`,
    )
  const judge = backend === 'fuse' ? missing : warning
  return judge(name, swap.reason, swap.fix?.replace(/^podfs doctor; /, ''))
}
