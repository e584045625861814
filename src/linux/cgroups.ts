import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import type { Clock } from '../util/clock.ts'
import { hasCode } from '../util/error-code.ts'
import {
  cgroupFiles,
  usedControllers,
  type CgroupResources,
} from './cgroup-files.ts'
import { hugePagePools } from './huge-pages.ts'
import { isWithin } from './is-within.ts'
import { isWritable } from './is-writable.ts'
import { readMountinfo, type Mount } from './mountinfo.ts'
import { sendSignal } from './send-signal.ts'
import { isRootOfMachine } from './user-namespace.ts'
import { textOf } from '../util/text-of.ts'

/*
 * Control groups, of either version: Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst.
 *
 * Each hierarchy has a directory `podfs` at its root, beside those of systemd and of container
 * engines, as that of a kubelet without the systemd driver (kubepods). It cannot be below podfs's
 * own cgroup: with v2 a cgroup that has processes has no children with controllers, and Pods
 * outlive the session and the unit from which they were started.
 *
 * An ordinary user has nothing there, but may have been given a cgroup of v2 to divide, with
 * podfs in it (cgroup-v2.rst, "Delegation"). Then `podfs` is in that one, and who is in there
 * already, podfs and the shell that started it, moves to one beside it, `podfs-others`.
 *
 * No process is moved while it works: each moves itself before it is the program (`entries`).
 */

/** A mounted hierarchy in which podfs may make cgroups. */
export interface Hierarchy {
  readonly version: 1 | 2
  /** Where podfs makes its own: the mount point, or the cgroup that is delegated to the user. */
  readonly base: string
  /** What /proc/PID/cgroup calls that, cgroups(7). */
  readonly place: string
  /** Those of its controllers that podfs can use. */
  readonly controllers: readonly string[]
}

/** Of all that podfs makes in a hierarchy. */
const top = 'podfs'
/** For what is in a delegated cgroup besides; systemd/user/podfs.service has the name, too. */
const others = 'podfs-others'

/** Until the kernel has ended what was killed. */
const stepMs = 2
/** A cgroup whose processes have ended is busy for a moment. */
const removeSteps = 500

/**
 * The hierarchies in which podfs can make cgroups: of v1 those with a controller that it uses, of
 * v2 the one there is; without v2 the freezer, too, for the end of what runs. Of an ordinary user
 * only v2, and what of it is delegated. None where the machine has none, or they are read-only, or
 * this is not their owner.
 *
 * `own`: an ordinary user's /proc/self/cgroup.
 */
export function findHierarchies(
  mounts: readonly Mount[] = readMountinfo(),
  own = isRootOfMachine() ? undefined : (textOf('/proc/self/cgroup') ?? ''),
): readonly Hierarchy[] {
  const devices = new Map(
    mounts
      .filter(({ type }) => /^cgroup2?$/.test(type))
      .flatMap(mount => {
        const found =
          own === undefined ? hierarchyOf(mount) : delegatedIn(mount, own)
        return found === undefined ? [] : [[mount.device, found] as const]
      }),
  )
  const found = [...devices.values()]
  const hasV2 = found.some(({ version }) => version === 2)
  return found.filter(
    ({ version, controllers }) =>
      version === 2 || controllers.some(name => name !== 'freezer' || !hasV2),
  )
}

function hierarchyOf({
  type,
  mountpoint,
  superOptions,
}: Mount): Hierarchy | undefined {
  if (!isWritable(mountpoint)) return undefined
  const where = { base: mountpoint, place: '/' }
  if (type === 'cgroup2')
    return { version: 2, ...where, controllers: usable(mountpoint) }
  const controllers = [...usedControllers, 'freezer'].filter(name =>
    superOptions.includes(name),
  )
  return { version: 1, ...where, controllers }
}

/** What the kernel asks for of who divides a cgroup: cgroup-v2.rst, "Delegation Containment". */
function delegatedIn(mount: Mount, own: string): Hierarchy | undefined {
  if (mount.type !== 'cgroup2') return undefined
  const place = delegatedPlace(own)
  if (place === undefined || !isWithin(place, mount.root)) return undefined
  const base = join(mount.mountpoint, relative(mount.root, place))
  const files = ['', procs, subtreeControl].map(name => join(base, name))
  if (!files.every(isWritable)) return undefined
  const controllers = controllersIn(join(base, 'cgroup.controllers'))
  return { version: 2, base, place, controllers }
}

/**
 * The cgroup of v2 that a process may divide, if the kernel lets it, by its /proc/PID/cgroup. Not
 * that of a service itself: systemd could start no successor in one that is divided.
 * DelegateSubgroup= (systemd 254) starts a service in one of its own within.
 */
function delegatedPlace(own: string): string | undefined {
  const place = placeIn(own, { version: 2, controllers: [] })
  if (place === undefined || place.endsWith('.service')) return undefined
  return basename(place) === others ? dirname(place) : place
}

/**
 * The cgroup that podfs has made for a process, by its /proc/PID/cgroup; undefined where it has
 * made none.
 */
export function cgroupOf(
  text: string,
  hierarchy: Hierarchy,
): string | undefined {
  const place = placeIn(text, hierarchy)
  const made = join(hierarchy.place, top)
  return place === undefined || place === made || !isWithin(place, made)
    ? undefined
    : join(hierarchy.base, relative(hierarchy.place, place))
}

/** Lines `NUMBER:CONTROLLERS:PLACE`, of v2 without controllers. */
function placeIn(
  text: string,
  { version, controllers }: Pick<Hierarchy, 'version' | 'controllers'>,
): string | undefined {
  return text
    .split('\n')
    .map(line => /^(\d+):([^:]*):(.*)$/.exec(line) ?? [])
    .find(([, number, names = '']) =>
      version === 2
        ? number === '0' && names === ''
        : controllers.some(name => names.split(',').includes(name)),
    )?.[3]
}

/**
 * The controllers of v2 that children of a root can have. Below the root of a cgroup namespace
 * (one of a container, say) that has processes only what is on already.
 */
function usable(root: string): readonly string[] {
  const isRealRoot = !existsSync(join(root, 'cgroup.type'))
  const mayEnable = isRealRoot || wordsOf(join(root, procs)).length === 0
  return controllersIn(
    join(root, mayEnable ? 'cgroup.controllers' : subtreeControl),
  )
}

function controllersIn(file: string): readonly string[] {
  const all = wordsOf(file)
  return usedControllers.filter(name => all.includes(name))
}

const procs = 'cgroup.procs'
const subtreeControl = 'cgroup.subtree_control'

interface Place {
  readonly hierarchy: Hierarchy
  readonly directory: string
}

/** One cgroup, which is a directory of the same name in each hierarchy. */
export class Cgroup {
  /** Below `podfs`. */
  readonly #name: string
  readonly #places: readonly Place[]

  private constructor(name: string, hierarchies: readonly Hierarchy[]) {
    this.#name = name
    this.#places = hierarchies.map(hierarchy => ({
      hierarchy,
      directory: join(hierarchy.base, top, name),
    }))
  }

  /**
   * Makes one with its limits; its name is one word that no other podfs uses. Throws an Error that
   * names the file and the kernel's reason.
   */
  static make(
    name: string,
    hierarchies: readonly Hierarchy[],
    resources: CgroupResources,
  ): Cgroup {
    const cgroup = new Cgroup(name, hierarchies)
    cgroup.#make(resources)
    return cgroup
  }

  /** What is there of a cgroup that another process has made; undefined: nothing. */
  static find(
    name: string,
    hierarchies: readonly Hierarchy[],
  ): Cgroup | undefined {
    const there = hierarchies.filter(({ base }) =>
      existsSync(join(base, top, name)),
    )
    return there.length === 0 ? undefined : new Cgroup(name, there)
  }

  /** A cgroup within it: it has the limits of both. */
  makeChild(name: string, resources: CgroupResources): Cgroup {
    const hierarchies = this.#places.map(({ hierarchy }) => hierarchy)
    return Cgroup.make(`${this.#name}/${name}`, hierarchies, resources)
  }

  /**
   * The files into each of which a process of one thread writes 0 to be in the cgroup. Of v1 it is
   * `tasks`: with that the kernel moves the writer without waiting for all processors.
   */
  get entries(): readonly string[] {
    return this.#places.map(({ hierarchy, directory }) =>
      join(directory, hierarchy.version === 1 ? 'tasks' : procs),
    )
  }

  /** Kills all of its processes and those of the cgroups within; resolves when none is left. */
  async kill(clock: Clock): Promise<void> {
    for (;;) {
      const populated = this.#places.filter(isPopulated)
      if (populated.length === 0) return
      // Who is in one of v1 alone has moved itself, and is killed when the others have ended.
      const inV2 = populated.filter(({ hierarchy }) => hierarchy.version === 2)
      for (const place of inV2.length > 0 ? inV2 : populated) killOnce(place)
      await clock.sleep(stepMs)
    }
  }

  /** Whether the kernel has killed one of its processes for want of memory. */
  hasOomKills(): boolean {
    const { hierarchy, directory } =
      this.#places.find(({ hierarchy }) =>
        hierarchy.controllers.includes('memory'),
      ) ?? {}
    if (hierarchy === undefined || directory === undefined) return false
    const file =
      hierarchy.version === 1 ? 'memory.oom_control' : 'memory.events'
    return Number(valueIn(join(directory, file), 'oom_kill') ?? 0) > 0
  }

  /**
   * Removes it with the cgroups within; its processes have ended. Rejects when somebody still is
   * there after a second.
   */
  async remove(clock: Clock): Promise<void> {
    for (const { directory } of this.#places)
      for (let step = 0; !removeTree(directory); step += 1) {
        if (step === removeSteps)
          throw new Error(`cannot remove the cgroup ${directory}: it is busy`)
        await clock.sleep(stepMs)
      }
    for (const { hierarchy } of this.#places) removeTop(hierarchy)
  }

  #make(resources: CgroupResources): void {
    const pageSizes = hugePagePools().map(({ size }) => size)
    for (const { hierarchy, directory } of this.#places) {
      this.#makeDirectory(hierarchy)
      for (const { file, value, optional } of cgroupFiles(
        hierarchy,
        resources,
        pageSizes,
      ))
        writeValue(join(directory, file), value, optional)
    }
  }

  #makeDirectory({ version, base, controllers }: Hierarchy): void {
    const levels = [top, ...this.#name.split('/')]
    let directory = base
    const enabling = controllers.map(name => `+${name}`).join(' ')
    let isEvacuated = false
    for (let i = 0; i < levels.length;) {
      const child = join(directory, levels[i] ?? '')
      try {
        if (version === 2 && enabling !== '')
          writeValue(join(directory, subtreeControl), enabling)
        mkdirSync(child, { mode: 0o755 })
      } catch (error) {
        // Another podfs has just ended, and has removed what was empty.
        if (hasCode(error, 'ENOENT') && i === 1) {
          i = 0
          directory = base
          continue
        }
        if (hasCode(error, 'EBUSY') && i === 0 && !isEvacuated) {
          evacuate(base)
          isEvacuated = true
          continue
        }
        if (!hasCode(error, 'EEXIST')) throw error
      }
      directory = child
      i += 1
    }
  }
}

/** Until no child has been made meanwhile: who forks does so into its own. */
const evacuations = 100

/**
 * Of v2 a cgroup with processes has no children with controllers. Whoever is in a delegated one
 * stays in it, and has the same limits.
 */
function evacuate(base: string): void {
  const directory = join(base, others)
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  for (let round = 0; round < evacuations; round += 1) {
    const pids = wordsOf(join(base, procs))
    if (pids.length === 0) return
    for (const pid of pids) tryToWrite(join(directory, procs), pid)
  }
}

function isPopulated({ hierarchy, directory }: Place): boolean {
  return hierarchy.version === 2
    ? valueIn(join(directory, 'cgroup.events'), 'populated') === '1'
    : processesIn(directory).length > 0
}

/** All that are there now. Where the kernel cannot do it at once they are frozen meanwhile. */
function killOnce({ hierarchy, directory }: Place): void {
  if (tryToWrite(join(directory, 'cgroup.kill'), '1')) return
  const freezer =
    hierarchy.version === 2
      ? { file: 'cgroup.freeze', on: '1', off: '0' }
      : { file: 'freezer.state', on: 'FROZEN', off: 'THAWED' }
  const state = join(directory, freezer.file)
  tryToWrite(state, freezer.on)
  for (const pid of processesIn(directory)) sendSignal(pid, 'SIGKILL')
  tryToWrite(state, freezer.off)
}

/** As this PID namespace numbers them, with those of the cgroups within. */
function processesIn(directory: string): readonly number[] {
  return [
    ...wordsOf(join(directory, procs)).map(Number),
    ...childrenOf(directory).flatMap(processesIn),
  ].filter(pid => pid > 0)
}

/** False where it is busy. */
function removeTree(directory: string): boolean {
  const removed = childrenOf(directory).map(removeTree)
  try {
    if (removed.includes(false)) return false
    rmdirSync(directory)
  } catch (error) {
    if (hasCode(error, 'EBUSY')) return false
    if (!hasCode(error, 'ENOENT')) throw error
  }
  return true
}

/** As long as another podfs has something there it stays. */
function removeTop({ base }: Hierarchy): void {
  try {
    rmdirSync(join(base, top))
  } catch {
    // Somebody else's turn.
  }
}

function childrenOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter(entry => entry.isDirectory())
      .map(({ name }) => join(directory, name))
  } catch {
    return []
  }
}

function writeValue(file: string, value: string, optional = false): void {
  try {
    // Never made: there are no other files than the kernel's.
    const fd = openSync(file, constants.O_WRONLY)
    try {
      writeSync(fd, value)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (optional && hasCode(error, 'ENOENT')) return
    throw error
  }
}

function tryToWrite(file: string, value: string): boolean {
  try {
    writeValue(file, value)
    return true
  } catch {
    return false
  }
}

function wordsOf(file: string): readonly string[] {
  return (textOf(file) ?? '').split(/\s+/).filter(word => word !== '')
}

/** Of a file of lines `KEY VALUE`. */
export function valueIn(file: string, key: string): string | undefined {
  const line = (textOf(file) ?? '')
    .split('\n')
    .find(line => line.startsWith(`${key} `))
  return line?.slice(key.length + 1)
}
