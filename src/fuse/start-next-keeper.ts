import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { processStartTime } from '../util/process-identity.ts'
import { type KeeperWords, withPrograms } from './mount-programs.ts'

/** What a server knows of its keeper: keeper.sh hands its own arguments down. */
export interface KeeperOrigin {
  /** RUNTIME/ID. */
  readonly directory: string
  readonly keeperPid: number
  /** The server that is active, when this one is its standby. */
  readonly activePid: number
  readonly keeper: KeeperWords
}

/**
 * Starts a keeper in the place of one that was killed. Only a process that holds the
 * connection can hand it on, by inheritance; `/proc/PID/fd/3` opened anew would be another
 * connection. It is the standby's work: a fork in the active server, killed in that moment,
 * gave the clients EIO in 5 of 78 (fuse.md, section 11). That one steps in only when there
 * was no standby.
 */
export function startNextKeeper(origin: KeeperOrigin): void {
  const { directory, keeperPid, activePid } = origin
  const keeper = withPrograms(origin.keeper, directory)
  spawn('/bin/sh', [...keeper, String(keeperPid), String(activePid)], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', 1, 2, 3, 4, 5, 6],
  }).unref()
}

/** Whether another keeper has taken the place of the one that this server had. */
export function hasNextKeeper(origin: KeeperOrigin): boolean {
  try {
    const text = readFileSync(join(origin.directory, 'keeper.pid'), 'latin1')
    const pid = Number(text)
    return pid !== origin.keeperPid && processStartTime(pid) !== undefined
  } catch {
    return false
  }
}
