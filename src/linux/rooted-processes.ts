import { readdirSync, readlinkSync } from 'node:fs'
import type { Clock } from '../util/clock.ts'
import { readMountinfo, type Mount } from './mountinfo.ts'

/** Until the kernel has ended what was killed. */
const stepMs = 2

/**
 * Kills all processes whose root is a mount that `isRoot` says yes to, and whoever is in a mount
 * namespace with one of them or in one of `namespaces`; nobody in this process's own. Resolves when
 * none is left, those included that were started meanwhile.
 */
export async function killRootedProcesses(
  isRoot: (root: Mount) => boolean,
  clock: Clock,
  namespaces: readonly string[] = [],
): Promise<void> {
  const known = new Set(namespaces)
  for (;;) {
    const pids = findRooted(isRoot, known)
    if (pids.length === 0) return
    for (const pid of pids) kill(pid)
    await clock.sleep(stepMs)
  }
}

/** `mnt:[N]`; undefined when the process has ended. */
export function mountNamespace(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`)
  } catch {
    return undefined
  }
}

/** `known` grows by the namespaces that are found. */
function findRooted(
  isRoot: (root: Mount) => boolean,
  known: Set<string>,
): number[] {
  const own = mountNamespace('self')
  const pids = new Map<string, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const pid = Number(name)
    const namespace = mountNamespace(pid)
    if (namespace === undefined || namespace === own) continue
    pids.set(namespace, [...(pids.get(namespace) ?? []), pid])
    // Who is in a chroot does not see the root, but another one of its namespace does.
    if (!known.has(namespace) && rootMatches(pid, isRoot)) known.add(namespace)
  }
  return [...known].flatMap(namespace => pids.get(namespace) ?? [])
}

function rootMatches(pid: number, isRoot: (root: Mount) => boolean): boolean {
  try {
    const root = readMountinfo(pid).findLast(
      ({ mountpoint }) => mountpoint === '/',
    )
    return root !== undefined && isRoot(root)
  } catch {
    return false
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}
