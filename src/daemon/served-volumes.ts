import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Pod } from '../api/types.ts'
import type { Backend } from '../volumes/backend.ts'
import { PodVolumes, type PodVolumesOptions } from '../volumes/pod-volumes.ts'
import type { SessionDirectory } from './runtime-directory.ts'

/** More losses than this within a minute are not bad luck. */
const remountsPerMinute = 3
const minute = 60_000

export interface ServedVolumesOptions extends Omit<
  PodVolumesOptions,
  'directory' | 'rootMode' | 'adopted'
> {
  readonly session: SessionDirectory
  readonly mountpoint: string
  /** The volume that the mount point shows; '' for all. */
  readonly shown: string
  readonly abort: AbortSignal
  /** A new mount in a directory that exists. */
  readonly open: (directory: string) => Promise<Backend>
}

/**
 * Published volumes and the mount that they are on, shown at a mount point. When the mount is
 * lost (its keeper and its servers were killed at once), another one takes its place: made and
 * filled beside it, then shown instead of it.
 */
export class ServedVolumes {
  readonly #options: ServedVolumesOptions
  #mount: Backend
  #volumes: PodVolumes
  #pod: Pod
  #remounting: Promise<void> | undefined
  #isClosed = false

  /** `adopted`: the mount has been served by a podfs that died. */
  constructor(mount: Backend, options: ServedVolumesOptions, adopted: boolean) {
    this.#options = options
    this.#pod = options.pod
    this.#mount = mount
    this.#volumes = this.#publish(mount, adopted)
  }

  get names(): readonly string[] {
    return this.#volumes.names
  }

  /** Requests per operation of the file server, since the mount was made. */
  async stats(): Promise<Readonly<Record<string, number>>> {
    return (await this.#mount.stats?.()) ?? {}
  }

  updatePod(pod: Pod): void {
    this.#pod = pod
    this.#volumes.updatePod(pod)
  }

  /** Resolves when everything can be read at the mount point. */
  async show(): Promise<void> {
    await this.#show(this.#mount, this.#volumes)
  }

  /** Resolves with the reason when the mount is lost and no other one can be made. */
  async lost(): Promise<string> {
    const { clock, logger } = this.#options
    const losses: number[] = []
    for (let round = 1; ; round++) {
      const reason = await this.#mount.lost
      const recent = losses.filter(time => time > clock.now() - minute)
      if (this.#isClosed) return reason
      if (this.#mount.name !== 'fuse' || recent.length >= remountsPerMinute)
        return reason
      losses.push(clock.now())
      logger.warn({ reason }, 'the mount is lost; making another one')
      try {
        this.#remounting = this.#remount(round)
        await this.#remounting
      } catch (error) {
        logger.error({ err: error }, 'no other mount could be made')
        return reason
      }
    }
  }

  /** After this nothing is written any more; the mount point still shows what there is. */
  async closeVolumes(): Promise<void> {
    this.#isClosed = true
    await this.#remounting?.catch(() => undefined)
    await this.#volumes.close()
  }

  async hide(): Promise<void> {
    this.#isClosed = true
    await this.#remounting?.catch(() => undefined)
    await this.#mount.unbind(this.#options.mountpoint, { lazy: true })
  }

  async stop(): Promise<void> {
    await this.#mount.stop()
  }

  #publish(mount: Backend, adopted: boolean): PodVolumes {
    const volumes = new PodVolumes({
      ...this.#options,
      pod: this.#pod,
      directory: mount.directory,
      rootMode: mount.volumeRootMode,
      adopted,
    })
    volumes.start()
    return volumes
  }

  async #show(mount: Backend, volumes: PodVolumes): Promise<void> {
    const { shown, mountpoint, abort } = this.#options
    await abortable(volumes.allPublished(), abort)
    await mount.bind(shown, mountpoint)
  }

  async #remount(round: number): Promise<void> {
    const { session, open } = this.#options
    await this.#volumes.close()
    // Beside the dead one, which stays in its place until the new one can be read.
    const directory = path.join(session.directory, `again-${round}`)
    await mkdir(directory, { mode: 0o700 })
    const mount = await open(directory)
    const volumes = this.#publish(mount, false)
    try {
      await this.#show(mount, volumes)
      await session.update({ mountDirectory: directory })
    } catch (error) {
      await volumes.close()
      await mount.stop()
      throw error
    }
    const dead = this.#mount
    this.#mount = mount
    this.#volumes = volumes
    await dead.stop()
  }
}

async function abortable<T>(work: Promise<T>, abort: AbortSignal): Promise<T> {
  if (abort.aborted) throw abort.reason
  return await Promise.race([
    work,
    new Promise<never>((_, reject) =>
      abort.addEventListener('abort', () => reject(abort.reason as Error), {
        once: true,
      }),
    ),
  ])
}
