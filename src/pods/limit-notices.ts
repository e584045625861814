import type { Pod } from '../api/types.ts'
import { findCgroupSupport } from '../linux/cgroup-support.ts'
import { hasResources } from '../runner/launch/pod-cgroup-resources.ts'

/** Tells once of what cannot be limited on this machine, when a Pod asks for it. */
export function limitsTeller(
  notice: (text: string) => void,
): (pod: Pod) => void {
  let isTold = false
  return pod => {
    if (isTold || !hasResources(pod)) return
    isTold = true
    const { lack } = findCgroupSupport()
    if (lack !== undefined)
      notice(
        `limits and requests are only emulated: ${lack.why}; ${lack.fix} (podfs doctor)`,
      )
  }
}
