import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  findOnHost,
  systemPath,
  type MachineTools,
} from '../../linux/machine-tools.ts'
import { diskUsage } from '../../linux/disk-usage.ts'
import { hasForeignRoot, type IdMaps } from '../../linux/user-namespace.ts'
import { hasCode } from '../../util/error-code.ts'
import type { FstabEntry } from './fstab.ts'

/*
 * In a user namespace the kernel's overlay cannot copy up a file that root of the machine owns: its
 * owner has no number there. fuse-overlayfs(1) can: what it makes is its own user's, and it shows
 * whose it is to be. One of them shows one container the host's root, of which that has some
 * directories (`fuseDirectories` of root-tree.ts):
 *
 *   setup            mounts with a descriptor of /dev/fuse, in the container's mount namespace
 *   fuse-overlayfs   answers at the same descriptor, in a copy of podfs's, to which nothing comes that
 *                    is mounted later: a volume, say, of another Pod's
 *
 * So nothing is mounted but in the container, and the mount does not keep alive the namespace in
 * which it is answered. Nobody else has the descriptor: when fuse-overlayfs ends, whoever asks it
 * gets an error and waits for nothing; when the last of the container ends, it does by itself. Until
 * it answers for the first time, the kernel lets those wait who ask.
 */

/** Below the root while that is made. */
export const fuseOverlayPlace = '.podfs/files'

/** The number of the descriptor, in the process that mounts and in fuse-overlayfs. */
export const setupDevice = 3

/** What is mounted in a root that is made at `world`, with the descriptor. */
export function mountedFuseOverlay(world: string): FstabEntry {
  return {
    source: 'fuse-overlayfs',
    target: join(world, fuseOverlayPlace),
    type: 'fuse.fuse-overlayfs',
    options: [
      `fd=${setupDevice}`,
      'rootmode=40000',
      'user_id=0',
      'group_id=0',
      'default_permissions',
      'allow_other',
      'X-mount.mkdir',
    ],
  }
}

/**
 * The program, where there is use for it: what root of the machine owns belongs to nobody here.
 * Undefined where it is not installed, or /dev/fuse is not for this user.
 */
export function findFuseOverlayfs(): string | undefined {
  if (!hasForeignRoot()) return undefined
  const program = findOnHost('fuse-overlayfs')
  if (program === undefined) return undefined
  try {
    closeSync(openSync('/dev/fuse', 'r+'))
    return program
  } catch {
    return undefined
  }
}

export interface FuseOverlayOptions {
  readonly program: string
  readonly tools: Pick<MachineTools, 'setpriv' | 'unshare'>
  readonly ids: IdMaps
  /** Made here; on a file system in memory. Has what is written. */
  readonly directory: string
}

export class FuseOverlay {
  readonly #options: FuseOverlayOptions
  /** For the process that mounts, as `setupDevice`; to be opened by nobody else. */
  readonly device: number
  /**
   * Resolves when nobody answers any more; with the reason, when that is neither `end` nor that
   * there is nobody left to ask.
   */
  readonly ended: Promise<string | undefined>
  #resolveEnded: (why: string | undefined) => void = () => {}
  #child: ChildProcess | undefined
  #isToEnd = false

  /** Throws where /dev/fuse cannot be opened. */
  constructor(options: FuseOverlayOptions) {
    this.#options = options
    this.device = openSync('/dev/fuse', 'r+')
    this.ended = new Promise(resolve => (this.#resolveEnded = resolve))
  }

  /**
   * From now on it counts in a cgroup, by its files (Cgroup.entries): what a container writes is in
   * the memory of whoever writes it.
   */
  enter(entries: readonly string[]): void {
    for (const entry of entries)
      try {
        writeFileSync(entry, String(this.#child?.pid))
      } catch (error) {
        // It has ended, and the container is about to.
        if (!hasCode(error, 'ESRCH')) throw error
      }
  }

  /** Now that it is mounted: before, the kernel has nothing for who reads from the descriptor. */
  begin(): void {
    const { program, tools, ids, directory } = this.#options
    for (const name of layers)
      mkdirSync(join(directory, name), { recursive: true })
    const child = spawn(
      tools.setpriv,
      [
        ['--pdeathsig', 'KILL', '--'],
        [tools.unshare, '--mount', '--propagation', 'private', '--'],
        [program, '-f'],
        ['-o', optionsFor(ids, directory), `/dev/fd/${setupDevice}`],
      ].flat(),
      {
        cwd: '/',
        env: { PATH: systemPath, LC_ALL: 'C' },
        stdio: ['ignore', 'ignore', 'pipe', this.device],
        // Ctrl-C at the terminal is for podfs to handle.
        detached: true,
      },
    )
    closeSync(this.device)
    this.#child = child
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-maxSaid)
    })
    child.once('error', ({ message }) => this.#resolveEnded(message))
    child.once('close', (code, signal) => {
      const isWell = code === 0 || (this.#isToEnd && signal === 'SIGKILL')
      const why = said.replace(usual, '').trim() || `ended by ${signal ?? code}`
      this.#resolveEnded(isWell ? undefined : why)
    })
  }

  /** What has been written. */
  async writtenBytes(): Promise<bigint> {
    return await diskUsage(join(this.#options.directory, 'upper'))
  }

  /** Ends it, and removes what was written. Never rejects. */
  async end(): Promise<void> {
    this.#isToEnd = true
    if (this.#child === undefined) {
      closeSync(this.device)
      this.#resolveEnded(undefined)
    }
    this.#child?.kill('SIGKILL')
    await this.ended
    const { directory } = this.#options
    await rm(directory, { recursive: true, force: true }).catch(() => {})
  }
}

const layers = ['upper', 'work'] as const

/** Of what it says. */
const maxSaid = 1000
/** An option that it gives to itself. */
const usual = /^unknown argument ignored: lazytime\n/m

/**
 * What belongs to nobody is root's, and so is what is copied of it. Where root is the only one it
 * cannot be given to anybody else, either. Of numbers that are mapped the last that fits counts,
 * `HERE:SHOWN:COUNT`: so what root of the container makes is not nobody's.
 */
export function optionsFor({ uids, gids }: IdMaps, directory: string): string {
  const isOne = [uids, gids].some(
    ranges => ranges.length === 1 && ranges[0]?.count === 1,
  )
  const shown = '65534:0:1:65535:65535:4294901760:0:0:65534'
  return [
    'lowerdir=/',
    ...layers.map(name => `${name}dir=${join(directory, name)}`),
    ...(isOne
      ? ['squash_to_root']
      : [`uidmapping=${shown}`, `gidmapping=${shown}`]),
    // It would be asked for lists of each directory that is gone through.
    'noacl',
  ].join()
}

/** Its options are no place for such a path. */
export function canTakeFuseOverlay(directory: string): boolean {
  return !/[,:\\]/.test(directory)
}
