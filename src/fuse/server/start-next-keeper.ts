import { spawn } from 'node:child_process'
import { type KeeperWords, withPrograms } from '../keeper/keeper-words.ts'

/** What a server knows of its keeper: keeper.sh hands its own arguments down. */
export interface KeeperOrigin {
  /** RUNTIME/ID. */
  readonly directory: string
  readonly keeperPid: number
  readonly keeper: KeeperWords
}

/**
 * Starts a keeper in the place of one that was killed, `deadPid`. Only a process that holds the
 * connection can hand it on, by inheritance; `/proc/PID/fd/3` opened anew would be another
 * connection. It is the standby's work: a fork in the active server, killed in that moment,
 * gave the clients EIO in 5 of 78 cases (docs/fuse.md#a-server-that-dies). That one steps in
 * only when there was no standby.
 */
export function startNextKeeper(origin: KeeperOrigin, deadPid: number): void {
  const keeper = withPrograms(origin.keeper, origin.directory)
  spawn('/bin/sh', [...keeper, String(deadPid)], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', 1, 2, 3, 4, 5, 6],
  }).unref()
}
