import { cgroupUsage } from '../linux/cgroup-usage.ts'
import { findHierarchies } from '../linux/cgroups.ts'
import { mountNamespace } from '../linux/rooted-processes.ts'
import type { Clock } from '../util/clock.ts'
import {
  measureUsage,
  type ProcessGroup,
  type ProcessSample,
  type Usage,
} from '../linux/process-usage.ts'

/**
 * What containers use, by their first process: what the kernel counts of their cgroup. Without
 * one a container is its mount namespace, and what descends from it: a PID namespace may be that
 * of several.
 *
 * The processor's time of processes that come and go between the two looks counts, too: it
 * goes to who waits for them, in the end to the namespace's first process.
 */
export async function containerUsage(
  firstPids: readonly number[],
  clock: Clock,
): Promise<ReadonlyMap<number, Usage>> {
  const hierarchies = findHierarchies()
  return await measureUsage({
    clock,
    groups: async samples => {
      const own = mountNamespace('self')
      const byNamespace = new Map<string, number[]>()
      for (const pid of samples.keys()) {
        const namespace = mountNamespace(pid)
        if (namespace === own || namespace === undefined) continue
        const pids = byNamespace.get(namespace) ?? []
        byNamespace.set(namespace, pids)
        pids.push(pid)
      }
      const children = childrenOf(samples)
      const groups = new Map<number, ProcessGroup>()
      for (const first of firstPids) {
        if (!samples.has(first)) continue
        const counted = cgroupUsage(first, hierarchies)
        if (counted !== undefined) {
          groups.set(first, { pids: [], ...counted })
          continue
        }
        const namespace = mountNamespace(first) ?? ''
        groups.set(
          first,
          groupOf([first, ...(byNamespace.get(namespace) ?? [])], {
            samples,
            children,
          }),
        )
      }
      return groups
    },
  })
}

function childrenOf(
  samples: ReadonlyMap<number, ProcessSample>,
): ReadonlyMap<number, readonly number[]> {
  const children = new Map<number, number[]>()
  for (const { pid, parent } of samples.values()) {
    const known = children.get(parent) ?? []
    children.set(parent, known)
    known.push(pid)
  }
  return children
}

function groupOf(
  roots: readonly number[],
  {
    samples,
    children,
  }: {
    readonly samples: ReadonlyMap<number, ProcessSample>
    readonly children: ReadonlyMap<number, readonly number[]>
  },
): ProcessGroup {
  const pids = new Set<number>()
  const add = (pid: number): void => {
    if (pids.has(pid)) return
    pids.add(pid)
    for (const child of children.get(pid) ?? []) add(child)
  }
  for (const root of roots) add(root)
  let cpuMs = 0
  for (const pid of pids) {
    const sample = samples.get(pid)
    if (sample !== undefined) cpuMs += sample.ownCpuMs + sample.reapedCpuMs
  }
  return { cpuMs, pids: [...pids] }
}
