import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
} from 'node:fs'
import type { Clock } from '../util/clock.ts'
import { readMountinfo, type Mount } from './mountinfo.ts'
import { sendSignal } from './send-signal.ts'

/** Until the kernel has ended what was killed. */
const stepMs = 2

/**
 * A mount namespace that is held: the kernel gives the number of one that has gone to the next
 * one, at once, and that may be anybody's.
 */
export class MountNamespace {
  /** `mnt:[N]` */
  readonly name: string
  readonly #fd: number

  private constructor(fd: number) {
    this.#fd = fd
    this.name = `mnt:[${fstatSync(fd).ino}]`
  }

  /** Undefined when the process has ended. */
  static hold(pid: number): MountNamespace | undefined {
    try {
      return new MountNamespace(openSync(`/proc/${pid}/ns/mnt`, 'r'))
    } catch {
      return undefined
    }
  }

  release(): void {
    closeSync(this.#fd)
  }
}

/**
 * Kills all processes whose root is a mount that `isRoot` says yes to, and whoever is in a mount
 * namespace with one of them or in `namespace`; nobody in this process's own. Resolves when none
 * is left, those included that were started meanwhile. `isRoot` must not go by a number that the
 * kernel gives away again, such as a device's.
 */
export async function killRootedProcesses(
  isRoot: (root: Mount) => boolean,
  clock: Clock,
  namespace?: MountNamespace,
): Promise<void> {
  const found = new Map<string, MountNamespace>()
  try {
    for (;;) {
      const pids = findRooted(isRoot, found, namespace?.name)
      if (pids.length === 0) return
      for (const { pid, namespace } of pids)
        // Its number may be another's by now.
        if (mountNamespace(pid) === namespace) sendSignal(pid, 'SIGKILL')
      await clock.sleep(stepMs)
    }
  } finally {
    for (const each of found.values()) each.release()
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

/** `found` grows by the namespaces that are found. */
function findRooted(
  isRoot: (root: Mount) => boolean,
  found: Map<string, MountNamespace>,
  given: string | undefined,
): { readonly pid: number; readonly namespace: string }[] {
  const own = mountNamespace('self')
  const pids = new Map<string, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const pid = Number(name)
    const namespace = mountNamespace(pid)
    if (namespace === undefined || namespace === own) continue
    pids.set(namespace, [...(pids.get(namespace) ?? []), pid])
    // Who is in a chroot does not see the root, but another one of its namespace does.
    if (!found.has(namespace) && rootMatches(pid, isRoot)) {
      const held = holdIfRooted(pid, isRoot)
      if (held !== undefined && !found.has(held.name))
        found.set(held.name, held)
      else held?.release()
    }
  }
  return [...found.keys(), ...(given === undefined ? [] : [given])].flatMap(
    namespace => (pids.get(namespace) ?? []).map(pid => ({ pid, namespace })),
  )
}

/** Looked at once more while it is held: until then it may have become another one's. */
function holdIfRooted(
  pid: number,
  isRoot: (root: Mount) => boolean,
): MountNamespace | undefined {
  const held = MountNamespace.hold(pid)
  if (held === undefined || rootMatches(pid, isRoot)) return held
  held.release()
  return undefined
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
