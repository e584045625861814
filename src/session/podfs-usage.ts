import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { isWithin } from '../linux/is-within.ts'
import type { Clock } from '../util/clock.ts'
import {
  measureUsage,
  type ProcessGroup,
  type ProcessSample,
  type Usage,
} from '../linux/process-usage.ts'
import type { FoundSession } from './session-file.ts'

const roles = [
  'daemon',
  'keeper',
  'file-server',
  'pod-shim',
  'service-proxy',
] as const

/** What the script of such a process is called. */
const scripts = {
  keeper: /^(mount-)?keeper\.sh$/,
  'file-server': /^fuse(-native)?-server\.cjs$/,
  'pod-shim': /^pod-shim\.cjs$/,
  'service-proxy': /^service-proxy\.cjs$/,
} as const

/** The processes of one podfs that do the same work, and what they use. */
export interface PodfsUsage {
  readonly session: string
  readonly role: (typeof roles)[number]
  readonly pids: readonly number[]
  readonly usage: Usage
}

/**
 * What podfs's own processes use. Those of a mount are known by their arguments, which name
 * its run-time directory: who was started by whom changes when one takes another's place.
 * Takes as long as it measures.
 */
export async function podfsUsage(
  sessions: readonly FoundSession[],
  clock: Clock,
): Promise<readonly PodfsUsage[]> {
  const parts = sessions.flatMap(session =>
    roles.map(role => ({ session, role, pids: [] as number[] })),
  )
  const usages = await measureUsage({
    clock,
    groups: async samples => {
      for (const each of parts) each.pids = []
      await Promise.all(
        [...samples.keys()].map(async pid => {
          const words = await commandLine(pid)
          for (const each of parts)
            if (isPart(pid, words, each)) each.pids.push(pid)
        }),
      )
      return new Map(
        parts
          .filter(({ pids }) => pids.length > 0)
          .map(each => [each, groupOf(each.pids, samples)]),
      )
    },
  })
  return [...usages].map(([{ session, role, pids }, usage]) => ({
    session: path.basename(session.directory),
    role,
    pids: pids.toSorted((a, b) => a - b),
    usage,
  }))
}

/** Their own time: what their children have used is that of the containers. */
function groupOf(
  pids: readonly number[],
  samples: ReadonlyMap<number, ProcessSample>,
): ProcessGroup {
  const times = pids.map(pid => samples.get(pid)?.ownCpuMs ?? 0)
  return { cpuMs: times.reduce((sum, time) => sum + time, 0), pids }
}

async function commandLine(pid: number): Promise<readonly string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return text.split('\0')
}

/** `sh keeper.sh DIRECTORY ..`, `node fuse-server.cjs DIRECTORY ..`, `node pod-shim.cjs DIRECTORY ..`. */
function isPart(
  pid: number,
  [, script = '', directory = '']: readonly string[],
  {
    session,
    role,
  }: { readonly session: FoundSession; readonly role: PodfsUsage['role'] },
): boolean {
  if (role === 'daemon') return pid === session.pid
  const base = path.basename(script)
  return isWithin(directory, session.directory) && scripts[role].test(base)
}
