import { withServiceAccountVolume } from '../api/automount.ts'
import { objectKey } from '../api/object-key.ts'
import type { Pod, ServiceAccount } from '../api/types.ts'
import type { RunChoice } from '../config/settings.ts'
import { asFailure } from '../session/failures.ts'
import { isCronJobsPod } from './choose-pods.ts'
import { cronSchedule } from './cron-schedule.ts'
import type { FleetPolicy } from './pod-fleet.ts'
import { podName, sourceName } from './pod-notices.ts'
import type { PodSessionContext } from './pod-session.ts'

/** "true": the Pod is run; "false": it never is. */
const runAnnotation = 'podfs.io/run'

/** What podfs itself could not do for a Pod is tried again after this. */
const retryMs = 10_000

/** Whether a Pod of the sources is to be run. */
export function isToRun(pod: Pod, choice: RunChoice): boolean {
  const wish = pod.metadata.annotations.get(runAnnotation)
  if (choice === 'none') return false
  return choice === 'all' && !isCronJobsPod(pod)
    ? wish !== 'false'
    : wish === 'true'
}

/** The fleet of `podfs serve`: what the setting `run` and annotations say, for weeks. */
export function servePolicy(
  choice: () => RunChoice,
  context: () => PodSessionContext,
): FleetPolicy {
  return {
    isToRun: pod => isToRun(pod, choice()),
    whyNotRun: pod => whyNotRun(pod, choice()),
    notToRun: 'is not to be run any more',
    welcome: () => undefined,
    admitted: pod => admitted(pod, context()),
    recreate: true,
    schedule: cronSchedule,
    forgets: true,
    tellsEnds: () => true,
    onContainers: () => undefined,
    onError: (thrown, pod, again) => {
      const { logger, notice, clock } = context()
      const error = asFailure(thrown)
      logger.error({ err: error, pod: podName(pod) }, 'a Pod could not go on')
      notice(
        `podfs could not go on with ${sourceName(pod)}, and will start it again: ${(error as Error).message}`,
      )
      clock.after(retryMs, again)
    },
  }
}

function whyNotRun(pod: Pod, choice: RunChoice): string | undefined {
  const wish = pod.metadata.annotations.get(runAnnotation)
  if (choice === 'none' && wish === 'true')
    return `${sourceName(pod)} asks to be run, but the setting 'run' is none (podfs.service: see run-pods.conf)`
  if (choice === 'all' && isCronJobsPod(pod) && wish === undefined)
    return `${sourceName(pod)} is left out: the annotation ${runAnnotation}: "true" of its template runs it on its schedule`
  return undefined
}

function admitted(pod: Pod, { store }: PodSessionContext): Pod {
  const { namespace } = pod.metadata
  const { serviceAccountName } = pod.spec
  const account = store.get(
    objectKey('ServiceAccount', namespace, serviceAccountName),
  )
  return withServiceAccountVolume(pod, account as ServiceAccount | undefined)
}
