import { mkdirSync, renameSync, statfsSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { keeperOf } from '../fuse/mount/keeper-of.ts'
import { mountOf } from '../fuse/mount/mount-of.ts'
import { shellWord } from '../util/shell-word.ts'
import { Failure } from '../util/failure.ts'
import { sweepClaims } from './claim-mountpoint.ts'
import {
  clearPods,
  freeNetworks,
  mayHaveProcesses,
  removeUnmounted,
  unmountAll,
} from './clear-pods.ts'
import { detachedLogPath } from './detach.ts'
import { ensurePrivateDirectory, notUsable } from './private-directory.ts'
import { sweepGateways } from './gateway-directory.ts'
import { freeServiceAddresses } from './service-label.ts'
import {
  type FoundSession,
  listSessions,
  namesIn,
  type Session,
  sessionFile,
} from './session-file.ts'
import { findShims } from './find-shims.ts'
import { ownNamespace } from './user-namespace.ts'
import { hasPlainDirectory } from '../volumes/plain-directory.ts'
import { sendSignal } from '../linux/send-signal.ts'
import { identityOf } from '../linux/process-identity.ts'
import { retireOwnNetwork } from '../runner/sandbox/network/own-network.ts'
import { inBackground } from '../util/in-background.ts'

/*
 * What is read and written here is small and in memory (a tmpfs), and each start waits for all
 * of it, one after the other: hence synchronously, without a turn of the event loop for each.
 */

/** A mount has a dozen, a Pod some for each container. With fewer it would start, and not last. */
const fewestFreeInodes = 32

export interface SessionDirectory {
  readonly directory: string
  /** As the podfs before this one has left it. */
  readonly replicas: NonNullable<Session['replicas']>
  /** Tells others more about this session. */
  update(facts: Partial<Session>): void
  /** Removes the directory, unless something is still mounted below it. */
  remove(): Promise<void>
}

export async function createSessionDirectory(
  runtime: string,
  command: Session['command'],
): Promise<SessionDirectory> {
  ensurePrivateDirectory(runtime)
  await sweep(runtime)
  refuseFewInodes(runtime)
  const identity = identityOf(process.pid)
  if (identity === undefined) throw new Error('/proc is not mounted')
  const directory = path.join(runtime, `${command}-${process.pid}`)
  inRuntimeDirectory(directory, () => mkdirSync(directory, { mode: 0o700 }))
  return await sessionDirectory(directory, { ...identity, command })
}

/** Makes this process the owner of what a dead one has left. */
export async function adoptSessionDirectory(
  found: FoundSession,
): Promise<SessionDirectory> {
  const identity = identityOf(process.pid)
  if (identity === undefined) throw new Error('/proc is not mounted')
  const { directory, running: _, ...session } = found
  // This podfs says from now on what there is to say of the mount.
  await rm(detachedLogPath(path.dirname(directory), found.pid), { force: true })
  return await sessionDirectory(directory, { ...session, ...identity })
}

async function sessionDirectory(
  directory: string,
  first: Session,
): Promise<SessionDirectory> {
  let session = first
  const write = (): void => {
    // By rename: whoever reads it sees all of it or the one before.
    const file = sessionFile(directory)
    writeFileSync(`${file}.new`, JSON.stringify(session), { mode: 0o600 })
    renameSync(`${file}.new`, file)
  }
  try {
    inRuntimeDirectory(directory, write)
  } catch (error) {
    await removeUnmounted(directory)
    throw error
  }
  return {
    directory,
    replicas: first.replicas ?? {},
    update: facts => {
      session = { ...session, ...facts }
      inRuntimeDirectory(directory, write)
    },
    remove: () => removeUnmounted(directory),
  }
}

/** It may be full or read-only: the error is to say where that is. */
function inRuntimeDirectory(directory: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    throw notUsable(directory, error, path.dirname(directory))
  }
}

/** Where they are counted: a tmpfs has a limit, btrfs (0 in all) has none. */
function refuseFewInodes(directory: string): void {
  const { files, ffree } = statfsSync(directory)
  if (files > 0 && ffree < fewestFreeInodes)
    throw new Failure(
      'platform',
      `cannot use ${directory}: it has ${ffree} free inodes, podfs needs ${fewestFreeInodes}`,
      { fix: `df -i ${shellWord(directory)}` },
    )
}

/** Those that run, and those whose Pods do. */
export async function sessionsWithPods(
  runtime: string,
): Promise<FoundSession[]> {
  const found = await Promise.all(
    listSessions(runtime).map(async session => {
      const { running, directory } = session
      const isAlive = running || (await findShims(directory)).length > 0
      return isAlive ? session : undefined
    }),
  )
  return found.filter(session => session !== undefined)
}

/** Where podfs's own network of Pods is written down. */
export function networksIn(runtime: string): string {
  return path.join(runtime, 'network')
}

/**
 * Removes what ended processes left behind, as far as it can. A directory with a mount below
 * it stays: its keeper still serves, or still has to unmount.
 */
async function sweep(runtime: string): Promise<void> {
  const sessions = listSessions(runtime)
  // First: what else they have left is known by it to be in a network that is gone.
  sweepGateways(runtime)
  await Promise.all(
    sessions
      .filter(({ running }) => !running)
      .map(async ({ command, directory, mountDirectory, treeDirectory }) => {
        // Its Pods have ended with it, and need not wait for the keeper's end.
        if (command === 'run') {
          await freeNetworks(path.join(directory, 'pods')).catch(() => {})
          await freeServiceAddresses(directory).catch(() => {})
        }
        for (const mounted of [mountDirectory ?? directory, treeDirectory]) {
          if (mounted === undefined) continue
          // Its mount may be in another mount namespace, where this would take it away.
          const keeper = await keeperOf(mounted)
          if (keeper !== undefined) {
            // Who was to tell it may be held up (stopped). It undoes all by itself.
            if (command === 'run') sendSignal(keeper, 'SIGTERM')
            return
          }
          // Dead: what is mounted or published there next takes its place. Nothing does so for a `run`.
          if (command !== 'run' && (await mountOf(mounted)) !== undefined)
            return
        }
        // They will notice that it is gone, and take away what is theirs.
        if ((await findShims(directory)).length > 0) return
        // It has been killed just now: who starts next ends what it has left, from outside.
        if (ownNamespace() !== undefined && (await mayHaveProcesses(directory)))
          return
        // Of a `run` whose keeper was killed, too, nothing is of use to anybody.
        // A network that cannot be freed keeps its files, and nobody from starting.
        if (command === 'run' || command === 'serve')
          try {
            await clearPods(directory)
          } catch {
            return
          }
        if (command === 'run') await unmountAll(directory)
        // What was published at a mount point can only be found through it.
        if (!(await hasPlainDirectory(directory)))
          await removeUnmounted(directory).catch(() => {})
      }),
  )
  inBackground(retireOwnNetwork(networksIn(runtime)).catch(() => undefined))
  const served = sessions.flatMap(({ running, mountpoint }) =>
    running && mountpoint !== undefined ? [mountpoint] : [],
  )
  await sweepClaims(runtime, served).catch(() => undefined)
  // Logs of detached mounts (detach.ts) that ended badly, and had their time to be read.
  for (const name of namesIn(runtime)) {
    const pid = /^mount-(\d+)\.log$/.exec(name)?.[1]
    if (pid !== undefined && identityOf(Number(pid)) === undefined)
      await rm(path.join(runtime, name), { force: true }).catch(() => {})
  }
}
