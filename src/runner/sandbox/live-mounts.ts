import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import {
  mountBeneathCommand,
  replaceMountCommand,
} from '../../linux/replace-mount.ts'
import { formatFstab, type FstabEntry } from './fstab.ts'
import type { LivePlace } from './planned-root.ts'
import { runTool as run } from './run-tool.ts'
import { inBackground } from '../../util/in-background.ts'

/*
 * Volumes that can be mounted anew under a running container. Nothing can be bound into its
 * mount namespace from outside, but mounts are propagated into it:
 *
 *   DIRECTORY            a tmpfs, shared (pod-tmpfs.ts)
 *   DIRECTORY/N/0, 1 ..  a place for each such volumeMount of one container
 *
 * In the container a place is bound at the mountPath, as a slave of DIRECTORY, and to nothing
 * else of it. What is mounted at the place, on the host, appears there, and what is mounted
 * instead of it later, too (replace-mount.ts): without a gap, without anything that would have
 * to run in the container. A volume within a volume is mounted at the place as well, on top of
 * the other one.
 */
export class LiveMounts {
  readonly directory: string
  readonly #containers = new Set<ContainerLiveMounts>()
  readonly #wanted: WantedMounts[] = []
  #count = 0

  constructor(directory: string) {
    this.directory = directory
  }

  /** For one start of one container; can be used when the directory is mounted. */
  open(): ContainerLiveMounts {
    this.#count += 1
    const directory = join(this.directory, String(this.#count))
    const container = new ContainerLiveMounts(
      directory,
      entries => this.#mount(entries),
      () => this.#containers.delete(container),
    )
    this.#containers.add(container)
    return container
  }

  async renew(): Promise<void> {
    const results = await Promise.allSettled(
      [...this.#containers].map(container => container.renew()),
    )
    const failed = results.find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
  }

  /**
   * Containers that start together get their volumes with one mount(8), which takes longer to
   * start than to mount.
   */
  async #mount(entries: readonly FstabEntry[]): Promise<void> {
    const mounting = new Promise<void>((resolve, reject) =>
      this.#wanted.push({ entries, resolve, reject }),
    )
    if (this.#wanted.length === 1)
      setImmediate(() => inBackground(this.#mountWanted()))
    await mounting
  }

  async #mountWanted(): Promise<void> {
    const wanted = this.#wanted.splice(0)
    if (wanted.length > 1)
      try {
        await this.#mountAll(wanted.flatMap(({ entries }) => entries))
        for (const { resolve } of wanted) resolve()
        return
      } catch {
        // Whose it was shows below: mount(8) leaves out what it has mounted.
      }
    for (const { entries, resolve, reject } of wanted)
      await this.#mountAll(entries).then(resolve, reject)
  }

  async #mountAll(entries: readonly FstabEntry[]): Promise<void> {
    this.#count += 1
    const fstab = join(this.directory, `fstab-${this.#count}`)
    writeFileSync(fstab, formatFstab(entries))
    try {
      await run('mount', '-n', '-a', '-T', fstab)
    } finally {
      rmSync(fstab, { force: true })
    }
  }
}

interface WantedMounts {
  readonly entries: readonly FstabEntry[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

const clearStageMs = 100

export class ContainerLiveMounts {
  readonly directory: string
  readonly #mount: (entries: readonly FstabEntry[]) => Promise<void>
  readonly #onRelease: () => void
  #places: readonly LivePlace[] = []
  #isFilled = false
  #clearing: NodeJS.Timeout | undefined
  /** One after the other. */
  #work: Promise<unknown> = Promise.resolve()

  constructor(
    directory: string,
    mount: (entries: readonly FstabEntry[]) => Promise<void>,
    onRelease: () => void,
  ) {
    this.directory = directory
    this.#mount = mount
    this.#onRelease = onRelease
  }

  /** Empty places, to be bound in the container. */
  makePlaces(places: readonly LivePlace[]): void {
    for (const { place, kind } of places)
      for (const path of [place, stageOf(place)]) {
        const directory = kind === 'directory' ? path : dirname(path)
        mkdirSync(directory, { recursive: true })
        if (kind === 'file') writeFileSync(path, '')
      }
    this.#places = places
  }

  /** Mounts the volumes at their places. */
  async fill(): Promise<void> {
    await this.#next(async () => {
      const staged = await Promise.all(this.#places.map(stageEntries))
      const shown = this.#places.map(({ place }) => ({
        source: stageOf(place),
        target: place,
        type: 'none',
        options: ['rbind'],
      }))
      await this.#mount([...staged.flat(), ...shown])
      this.#isFilled = true
    })
    // Not now: the container is about to start.
    this.#clearing = setTimeout(
      () => inBackground(this.#next(() => this.#clearStage())),
      clearStageMs,
    ).unref()
  }

  /** Does nothing before `fill`. */
  async renew(): Promise<void> {
    await this.#next(async () => {
      if (!this.#isFilled) return
      // mount -a would take what is still there for what it is to mount.
      await this.#clearStage()
      const failures: unknown[] = []
      for (const place of this.#places)
        await this.#renewPlace(place).catch(error => failures.push(error))
      await this.#clearStage()
      if (failures.length > 0) throw failures[0]
    })
  }

  /** As it was before `makePlaces`. */
  async empty(): Promise<void> {
    clearTimeout(this.#clearing)
    await this.#next(async () => {
      this.#isFilled = false
      await this.#clearStage()
      for (const { place } of this.#places)
        await run('umount', '-n', '-c', '-l', place).catch(() => {})
      this.#places = []
      await rm(this.directory, { recursive: true, force: true })
    })
  }

  async release(): Promise<void> {
    this.#onRelease()
    await this.empty()
  }

  async #renewPlace(live: LivePlace): Promise<void> {
    const { place, mounts } = live
    await this.#mount(await stageEntries(live))
    // A dead mount with mounts within it would stay.
    for (const { target } of mounts.slice(1).toReversed())
      await run('umount', '-n', '-c', '-l', target)
    const mount = ['--rbind', '--', stageOf(place)]
    const options = {
      target: place,
      mount,
      parentMountpoint: dirname(this.directory),
    }
    try {
      await run(...replaceMountCommand(options))
      return
    } catch {
      // Whoever looks for the dead directory by its path makes the kernel forget it, and then
      // nothing can be mounted over it any more (ENOENT).
    }
    try {
      await run(...mountBeneathCommand(options))
    } catch {
      // Better a gap than no volume.
      await run('umount', '-n', '-c', '-l', place)
      await run('mount', '-n', ...mount, place)
    }
  }

  async #clearStage(): Promise<void> {
    const stages = this.#places.map(({ place }) => stageOf(place))
    await run('umount', '-n', '-c', '-l', ...stages).catch(() => {})
  }

  async #next(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => undefined)
    await done
  }
}

function stageOf(place: string): string {
  return join(dirname(place), 'stage', basename(place))
}

/**
 * A volume and what lies within it, put together beside its place: what appears there has to
 * be whole and read-only from the first moment. mount(2) makes a bind read-only in a second
 * step, which is not propagated. And private: else what is unmounted here goes there, too.
 */
async function stageEntries({
  place,
  mounts,
}: LivePlace): Promise<FstabEntry[]> {
  return await Promise.all(
    mounts.map(async ({ locate, source, target, type, options }) => ({
      source: (await locate?.()) ?? source,
      target: join(stageOf(place), relative(place, target)),
      type,
      options: [...options, options.includes('rbind') ? 'rprivate' : 'private'],
    })),
  )
}
