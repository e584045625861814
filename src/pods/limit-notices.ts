import type { Pod } from '../api/types.ts'
import { findCgroupSupport } from '../linux/cgroup-support.ts'
import { ownIdMaps } from '../linux/user-namespace.ts'
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

/** Tells once what containers of an ordinary user cannot do to copies of root's files. */
export function rootFilesTeller(
  notice: (text: string) => void,
): (hostRoot: boolean) => void {
  let isTold = false
  return hostRoot => {
    if (isTold || hostRoot || ownIdMaps() === undefined) return
    isTold = true
    notice(
      'without root, containers can replace files in /usr, /var and /opt, not change them in place (EACCES)',
    )
  }
}
