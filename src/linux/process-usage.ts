import { readdir, readFile } from 'node:fs/promises'
import type { Clock } from '../util/clock.ts'

/** What processes use: of the CPU over a window, of the memory at its end. */
export interface Usage {
  /** Billionths of a core. */
  readonly cpuNanos: number
  /**
   * The proportional set size: what is shared is divided among those who share it. Of a cgroup its
   * working set.
   */
  readonly memoryBytes: number
}

/** One process at one moment, from /proc/PID/stat. */
export interface ProcessSample {
  readonly pid: number
  readonly parent: number
  /** Of its threads, also of those that have ended; milliseconds. */
  readonly ownCpuMs: number
  /** Of its children that have ended and been waited for, and of theirs. */
  readonly reapedCpuMs: number
}

/** How long two looks at the processor's time lie apart. Its steps are 10 ms, so 10m of a core. */
export const usageWindowMs = 1000

/** USER_HZ: what Linux tells programs, whatever the kernel's own HZ is. */
const msPerTick = 10

/** All processes of this machine, as far as this user sees them. */
async function sampleProcesses(): Promise<ReadonlyMap<number, ProcessSample>> {
  const names = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const samples = await Promise.all(names.map(name => sampleOf(Number(name))))
  return new Map(
    samples
      .filter(sample => sample !== undefined)
      .map(sample => [sample.pid, sample]),
  )
}

/**
 * The usage of each group of processes, by its key. `cpuMs`: what the groups have used up to
 * the moment of the samples. `pids`: whose memory counts.
 */
export async function measureUsage<K>(options: {
  readonly clock: Clock
  readonly groups: (
    samples: ReadonlyMap<number, ProcessSample>,
  ) => Promise<ReadonlyMap<K, ProcessGroup>>
}): Promise<ReadonlyMap<K, Usage>> {
  const { clock, groups } = options
  const look = async (): Promise<{
    at: number
    groups: ReadonlyMap<K, ProcessGroup>
  }> => {
    const at = performance.now()
    return { at, groups: await groups(await sampleProcesses()) }
  }
  const before = await look()
  await clock.sleep(usageWindowMs)
  const after = await look()
  const usages = await Promise.all(
    [...after.groups].map(async ([key, { cpuMs, pids, memoryBytes }]) => {
      const old = before.groups.get(key)
      // It has come meanwhile.
      if (old === undefined) return undefined
      const share = Math.max(cpuMs - old.cpuMs, 0) / (after.at - before.at)
      const usage: Usage = {
        cpuNanos: Math.round(share * 1e9),
        memoryBytes: memoryBytes ?? (await sumOfSetSizes(pids)),
      }
      return [key, usage] as const
    }),
  )
  return new Map(usages.filter(each => each !== undefined))
}

export interface ProcessGroup {
  readonly cpuMs: number
  readonly pids: readonly number[]
  /** Where somebody else counts it. */
  readonly memoryBytes?: number
}

async function sumOfSetSizes(pids: readonly number[]): Promise<number> {
  const sizes = await Promise.all(pids.map(proportionalSetSize))
  return sizes.reduce((sum, bytes) => sum + bytes, 0)
}

async function sampleOf(pid: number): Promise<ProcessSample | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')
  if (stat === '') return undefined
  // The second field is the command in parentheses and may hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  /** Numbered from 1, as in proc(5). */
  const field = (number: number): number => Number(fields[number - 3])
  return {
    pid,
    parent: field(4),
    ownCpuMs: (field(14) + field(15)) * msPerTick,
    reapedCpuMs: (field(16) + field(17)) * msPerTick,
  }
}

/** Of a process of another user the resident set; 0 when it is gone. */
async function proportionalSetSize(pid: number): Promise<number> {
  const kilobytes = async (
    file: string,
    key: string,
  ): Promise<number | undefined> => {
    const text = await readFile(`/proc/${pid}/${file}`, 'latin1').catch(
      () => '',
    )
    const found = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]
    return found === undefined ? undefined : Number(found)
  }
  const size =
    (await kilobytes('smaps_rollup', 'Pss')) ??
    (await kilobytes('status', 'VmRSS')) ??
    0
  return size * 1024
}
