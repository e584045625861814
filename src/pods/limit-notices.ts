import type { Pod } from '../api/types.ts'
import { findCgroupSupport } from '../linux/cgroup-support.ts'
import { hasForeignRoot } from '../linux/user-namespace.ts'
import { hasResources } from '../runner/launch/pod-cgroup-resources.ts'
import { findFuseOverlayfs } from '../runner/sandbox/fuse-overlay.ts'

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
    if (isTold || hostRoot || !hasForeignRoot()) return
    isTold = true
    notice(
      findFuseOverlayfs() === undefined
        ? 'without root and fuse-overlayfs, containers can replace files in /usr, /var and /opt, not change them in place (EACCES); sudo apt-get install fuse-overlayfs'
        : 'without root, containers can replace programs and libraries in /usr, not change them in place (EACCES)',
    )
  }
}
