import type { Pod } from '../api/types.ts'
import { asFailure } from '../session/failures.ts'
import {
  isChosen,
  isCronJobsPod,
  isSuspendedJob,
  nameOfJob,
  needsName,
  type PodChoice,
} from './choose-pods.ts'
import { imageFindings } from './image-findings.ts'
import { outputLabels } from './output-labels.ts'
import type { FleetPolicy } from './pod-fleet.ts'
import { sourceName } from './pod-notices.ts'
import type { PodSessionContext } from './pod-session.ts'
import { keyOf, type ObjectKey } from '../api/object-key.ts'

/** The fleet of `podfs run`: what a person has chosen, until all of it has ended. */
export function runPolicy(
  choice: PodChoice,
  recreate: boolean,
  { images, lines }: Pick<PodSessionContext, 'images' | 'lines'>,
  onError: (error: unknown) => void,
): FleetPolicy {
  const isOpen = choice.kind === 'all' || choice.kind === 'selected'
  /** As they were last started: their containers have labels in the output. */
  const started = new Map<ObjectKey, Pod>()
  return {
    isToRun: (pod, isKnown) =>
      isKnown
        ? !isOpen || isChosen(choice, pod) || isCronJobsPod(pod)
        : isChosen(choice, pod) && !needsName(pod),
    whyNotRun: pod => (isChosen(choice, pod) ? whyLeftOut(pod) : undefined),
    notToRun: 'is no longer selected',
    welcome: pod =>
      imageFindings(pod, images).length === 0
        ? `${sourceName(pod)} is new: starting it`
        : undefined,
    admitted: pod => pod,
    recreate,
    forgets: false,
    tellsEnds: size => size > 1,
    onContainers: pod => {
      started.set(keyOf(pod), pod)
      lines.setLabels(outputLabels([...started.values()]))
    },
    onError: error => onError(asFailure(error)),
  }
}

function whyLeftOut(pod: Pod): string | undefined {
  if (isCronJobsPod(pod))
    return `${sourceName(pod)} is left out; to run it at once, add ${nameOfJob(pod)}`
  return isSuspendedJob(pod)
    ? `${sourceName(pod)} is suspended, and left out; podfs run ${nameOfJob(pod)} runs it all the same`
    : undefined
}
