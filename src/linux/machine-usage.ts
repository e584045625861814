import { readFile } from 'node:fs/promises'
import type { Clock } from '../util/clock.ts'
import { usageWindowMs, type Usage } from './process-usage.ts'

/**
 * What this machine uses: of all its processors over a window, of the memory what is not
 * available to others (MemAvailable) at its end. Takes as long as the window.
 */
export async function machineUsage(clock: Clock): Promise<Usage> {
  const before = await cpuTicks()
  await clock.sleep(usageWindowMs)
  const after = await cpuTicks()
  const all = after.all - before.all
  const busy = all === 0 ? 0 : (after.busy - before.busy) / all
  return {
    cpuNanos: Math.round(Math.max(busy, 0) * after.processors * 1e9),
    memoryBytes: await usedMemory(),
  }
}

/** /proc/stat, proc(5): the first line is the sum of the processors. */
async function cpuTicks(): Promise<
  Readonly<Record<'busy' | 'all' | 'processors', number>>
> {
  const stat = await readFile('/proc/stat', 'latin1')
  const [first = ''] = stat.split('\n')
  // guest and guest_nice, behind these, are in user and nice already.
  const ticks = first.trim().split(/\s+/).slice(1, 9).map(Number)
  const all = ticks.reduce((sum, each) => sum + each, 0)
  const [, , , idle = 0, ioWait = 0] = ticks
  return {
    all,
    busy: all - idle - ioWait,
    processors: stat.match(/^cpu\d/gm)?.length ?? 1,
  }
}

async function usedMemory(): Promise<number> {
  const info = await readFile('/proc/meminfo', 'latin1')
  const kilobytes = (key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(info)?.[1] ?? 0)
  return (kilobytes('MemTotal') - kilobytes('MemAvailable')) * 1024
}
