import path from 'node:path'
import type { Pod } from '../api/types.ts'
import { mountAt, mountsBelow, PODFS_TYPE } from '../linux/mountinfo.ts'
import { isManagedVolume } from '../projection/projection.ts'
import type { SessionRecord } from '../server/session-record.ts'
import type { Clock } from '../util/clock.ts'
import { inBackground } from '../util/in-background.ts'
import type { Logger } from '../util/logger.ts'
import type { VolumeState } from '../volumes/published-volume.ts'
import type { CurrentMount } from '../session/renewed-mount.ts'

/** What fails for less is not told: another try, or the mount that is made anew, mends it. */
const toldAfterMs = 2000
const retryMs = 2000

export interface ContainerViewsOptions {
  readonly pod: Pod
  /** RUNTIME/ID/pods/run/N: below it is what containers have mounted. */
  readonly directory: string
  /** Mounts the managed volumes anew in the containers that run; rejects with what keeps it. */
  readonly renew: () => Promise<void>
  readonly record: SessionRecord
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * What the containers of one Pod see of its managed volumes: that it is what podfs publishes, and
 * if it is not, that somebody hears of it, by an event and in `get volumes`.
 */
export class ContainerViews {
  readonly #options: ContainerViewsOptions
  /** Of each volume: why it cannot be brought up to date for the containers. */
  readonly #unpublished = new Map<string, string>()
  /** Why some container keeps the volumes of a mount that is no more. */
  #unshown: string | undefined
  readonly #told = new Map<string, string>()
  #timer: { cancel(): void } | undefined
  #retry: { cancel(): void } | undefined
  #isClosed = false

  constructor(options: ContainerViewsOptions) {
    this.#options = options
  }

  /** Resolves after the first try; one that fails is repeated until it succeeds. */
  async show(): Promise<void> {
    this.#retry?.cancel()
    try {
      await this.#options.renew()
      this.#unshown = undefined
    } catch (err) {
      this.#options.logger.error({ err }, 'a container keeps a lost volume')
      this.#unshown = (err as Error).message
      if (!this.#isClosed)
        this.#retry = this.#options.clock.after(retryMs, () =>
          inBackground(this.show()),
        )
    }
    this.#tellSoon()
  }

  /** A podfs that was killed may have left containers with another mount than this one. */
  async showIfOther({ directory }: CurrentMount): Promise<void> {
    const device = (await mountAt(path.join(directory, 'rw')))?.device
    const mounts = await mountsBelow(this.#options.directory)
    const own = mounts.filter(({ type }) => type === PODFS_TYPE)
    // None: the keeper of the one before has taken it away, with what containers had of it.
    if (own.length === 0 || own.some(mount => mount.device !== device))
      await this.show()
  }

  /** How a volume that is published for the containers stands. */
  published({ volume, generation, error }: VolumeState): void {
    // Before the first time no container has started with it.
    if (error === undefined || generation === 0)
      this.#unpublished.delete(volume.name)
    else this.#unpublished.set(volume.name, error)
    this.#tellSoon()
  }

  close(): void {
    this.#isClosed = true
    this.#retry?.cancel()
    this.#timer?.cancel()
    this.#unpublished.clear()
    this.#unshown = undefined
    this.#tell()
  }

  #tellSoon(): void {
    if (this.#isClosed) return
    this.#timer ??= this.#options.clock.after(toldAfterMs, () => {
      this.#timer = undefined
      this.#tell()
    })
  }

  #tell(): void {
    const { pod, record } = this.#options
    const { namespace, name } = pod.metadata
    for (const { name: volume } of pod.spec.volumes.filter(isManagedVolume)) {
      const of = { namespace, pod: name, volume }
      const own = record.findVolume(namespace, name, volume)?.error
      const error = this.#unshown ?? this.#unpublished.get(volume)
      // What keeps the volume itself from being up to date was told.
      const told =
        error === undefined || error === own
          ? undefined
          : `the containers do not see it as it is: ${error}`
      if (told === this.#told.get(volume)) continue
      record.volumeInContainers(of, told)
      if (told === undefined) this.#told.delete(volume)
      else {
        this.#told.set(volume, told)
        record.event(
          {
            type: 'Warning',
            reason: 'FailedMount',
            message: `Volume "${volume}": ${told}`,
          },
          pod,
        )
      }
    }
  }
}
