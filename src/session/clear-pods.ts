import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { findMachineTools } from '../linux/machine-tools.ts'
import { mountsBelow } from '../linux/mountinfo.ts'
import { killRootedProcesses } from '../linux/rooted-processes.ts'
import { unmountPath } from '../linux/unmount-path.ts'
import { Cgroup, findHierarchies } from '../linux/cgroups.ts'
import { networkFile } from '../runner/sandbox/network/attachment-file.ts'
import { freeLeftNetwork } from '../runner/sandbox/network/pod-network.ts'
import { cgroupNameOf, processesMark } from '../runner/sandbox/pod-files.ts'
import { findShims } from './find-shims.ts'
import { freeServiceAddresses } from './service-label.ts'
import type { FoundSession } from './session-file.ts'
import { systemClock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'

/**
 * RUNTIME/ID/pods: what the Pods of a session need of mounts and files, and what its Services have
 * of addresses. Of those that run no more nothing is of use.
 */
export async function clearPods(directory: string): Promise<void> {
  await clearPod(path.join(directory, 'pods'))
  await freeServiceAddresses(directory)
}

/**
 * Kills what has outlived the Pods of an ordinary user's sessions that are over. Only who is
 * outside of all user namespaces can: the next podfs's own one has no rights over those of the one
 * before it, which its owner has from outside (user_namespaces(7)).
 */
export async function endLeftProcesses(
  over: readonly FoundSession[],
): Promise<void> {
  for (const { directory } of over) {
    if ((await findShims(directory)).length > 0) continue
    const pods = path.join(directory, 'pods')
    await endProcesses(pods)
    for (const scratch of await scratchDirectories(pods))
      await rm(path.join(scratch, processesMark), { force: true })
  }
}

/** Whether `endLeftProcesses` has not seen a session yet that is over. */
export async function mayHaveProcesses(directory: string): Promise<boolean> {
  const scratches = await scratchDirectories(path.join(directory, 'pods'))
  return scratches.some(each => existsSync(path.join(each, processesMark)))
}

/**
 * Removes the directories DIRECTORY/run/N, one of each start of a Pod, but for those of the Pods
 * that run still: `running` has their `run/N`. What cannot be removed (the podfs that made it was
 * killed at the wrong moment) is told, and is in the way of nobody but its number. Gives the
 * highest one of those that are there afterwards, 0 when there is none.
 */
export async function clearEndedRuns(
  directory: string,
  running: ReadonlySet<string>,
  logger: Logger,
): Promise<number> {
  for (const number of await runsIn(directory)) {
    const id = `run/${number}`
    if (running.has(id)) continue
    try {
      await clearPod(path.join(directory, id))
    } catch (err) {
      logger.warn({ err }, 'what an ended Pod has left cannot be removed')
    }
  }
  return Math.max(0, ...(await runsIn(directory)))
}

async function runsIn(directory: string): Promise<number[]> {
  return (await namesIn(path.join(directory, 'run')))
    .map(Number)
    .filter(number => number > 0)
}

/** RUNTIME/ID/pods/N: the same for one run of a Pod. */
export async function clearPod(directory: string): Promise<void> {
  await endProcesses(directory)
  await unmountAll(directory)
  // What cannot be freed is tried again by the next podfs: its file stays.
  await freeNetworks(directory)
  await removeUnmounted(directory)
}

/**
 * Frees what the networks of Pods have left that run no more, below a `run/N` or the directory of
 * them all.
 */
export async function freeNetworks(directory: string): Promise<void> {
  const files = (await scratchDirectories(directory))
    .map(scratch => path.join(scratch, networkFile))
    .filter(file => existsSync(file))
  if (files.length === 0) return
  const tools = findMachineTools()
  for (const file of files) await freeLeftNetwork(tools, file)
}

export async function unmountAll(directory: string): Promise<void> {
  for (const { mountpoint } of (await mountsBelow(directory)).toReversed())
    await unmountPath(mountpoint, { lazy: true }).catch(() => {})
}

/** Nothing happens while something is mounted below: never `rm` through a mount. */
export async function removeUnmounted(directory: string): Promise<void> {
  if ((await mountsBelow(directory)).length > 0) return
  // Somebody who has not ended yet may still be writing there.
  const retries = { maxRetries: 5, retryDelay: 20 }
  await rm(directory, { recursive: true, force: true, ...retries })
}

/**
 * Kills what has outlived a Pod whose podfs was killed, below a `run/N` or the directory of them all:
 * in the machine's PID namespace the kernel ends only the first process of each container, and not
 * even that when it has changed its credentials by itself, which clears its parent-death signal.
 */
async function endProcesses(directory: string): Promise<void> {
  const marks = await Promise.all(
    (await scratchDirectories(directory)).map(scratch =>
      readFile(path.join(scratch, processesMark), 'utf8').catch(() => ''),
    ),
  )
  const names = marks.filter(mark => mark !== '')
  if (names.length === 0) return
  const hierarchies = findHierarchies()
  for (const name of names) {
    const cgroup = Cgroup.find(cgroupNameOf(name), hierarchies)
    await cgroup?.kill(systemClock)
    await cgroup?.remove(systemClock)
  }
  // Of those without a cgroup, and the processes that make a root.
  await killRootedProcesses(
    ({ source }) => names.some(name => source.startsWith(name)),
    systemClock,
  )
}

/** Where there may be something that a sandbox has written, of a `run/N` or of all of them. */
async function scratchDirectories(
  directory: string,
): Promise<readonly string[]> {
  const below = [directory, path.join(directory, 'run')]
  const runs = await Promise.all(
    below.map(async parent =>
      (await namesIn(parent)).map(name => path.join(parent, name)),
    ),
  )
  return [directory, ...runs.flat()].map(run => path.join(run, 'sandbox'))
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return await readdir(directory).catch(() => [])
}
