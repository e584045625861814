import path from 'node:path'
import type { Pod } from '../api/types.ts'
import { abortable } from '../util/abortable.ts'
import { deferred } from '../util/deferred.ts'
import { VolumeError } from '../volumes/errors.ts'
import type { HistoryBudget } from '../volumes/history-budget.ts'
import { PodVolumes, type PodVolumesOptions } from '../volumes/pod-volumes.ts'
import type {
  PublishedVolume,
  VolumeState,
} from '../volumes/published-volume.ts'
import type { VolumeControl } from '../volumes/volume-control.ts'
import { VolumeHistory } from '../volumes/volume-history.ts'
import type { CurrentMount, RenewedMount } from '../session/renewed-mount.ts'

export interface ServedVolumesOptions extends Omit<
  PodVolumesOptions,
  'directory' | 'rootMode' | 'historyOf' | 'onState'
> {
  /** The directory of the mount that is this Pod's; all of it when not given. */
  readonly subdirectory?: string
  /** Shows what is published on a mount that took the place of a lost one. */
  readonly show: (mount: CurrentMount) => Promise<void>
  /** The session's; each volume has a history that outlives the mount. */
  readonly historyBudget: HistoryBudget
  readonly onState?: (state: VolumeState, control: VolumeControl) => void
}

/**
 * The published volumes of one Pod, and their mount, which may be lost: then they are
 * published once more on the one that takes its place.
 */
export class ServedVolumes {
  readonly #options: ServedVolumesOptions
  readonly #mount: RenewedMount
  readonly #unfollow: () => void
  readonly #closed = new AbortController()
  readonly #controls = new Map<string, VolumeControl>()
  /** What has been published, on whichever mount. */
  readonly #shown = new Set<string>()
  #volumes: PodVolumes
  #pod: Pod
  /** The directory that the volumes are in, once what was published before is there again. */
  #directory: Promise<string>
  #moved = deferred<void>()

  constructor(mount: RenewedMount, options: ServedVolumesOptions) {
    this.#options = options
    this.#mount = mount
    this.#pod = options.pod
    this.#volumes = this.#publish(mount.current, options.adopted === true)
    this.#directory = Promise.resolve(directoryOf(mount.current))
    this.#unfollow = mount.follow((next, lost) => this.#move(next, lost))
  }

  get names(): readonly string[] {
    return this.#volumes.names
  }

  updatePod(pod: Pod): void {
    this.#pod = pod
    this.#volumes.updatePod(pod)
  }

  /** See PodVolumes. */
  redefine(pod: Pod): void {
    this.#pod = pod
    this.#volumes.redefine(pod)
  }

  /** See PodVolumes. */
  async published(name: string): Promise<void> {
    for (;;) {
      const volumes = this.#volumes
      await Promise.race([volumes.published(name), this.#moved.promise])
      if (volumes === this.#volumes) return
    }
  }

  async allPublished(): Promise<void> {
    await Promise.all(this.names.map(name => this.published(name)))
  }

  /** Where a published volume can be bound from. */
  async pathOf(name: string): Promise<string> {
    const { subdirectory = '' } = this.#options
    for (;;)
      try {
        return path.join(await this.#directory, subdirectory, name)
      } catch {
        // No other mount could be made yet, or that one is lost, too.
        await abortable(this.#moved.promise, this.#closed.signal)
      }
  }

  #controlOf(name: string): VolumeControl {
    const known = this.#controls.get(name)
    if (known !== undefined) return known
    const current = (): PublishedVolume => {
      if (this.#closed.signal.aborted)
        throw new VolumeError('VOLUME_CLOSED', 'its Pod has ended')
      return this.#volumes.get(name)
    }
    const control: VolumeControl = {
      history: new VolumeHistory(this.#options.historyBudget),
      rollBack: async generation => await current().rollBack(generation),
      unpin: async () => await current().unpin(),
    }
    this.#controls.set(name, control)
    return control
  }

  /** After this nothing is written any more; what is there stays. */
  async close(): Promise<void> {
    this.#unfollow()
    this.#closed.abort(new Error('the volumes are closed'))
    await this.#volumes.close()
  }

  #publish(mount: CurrentMount, adopted: boolean): PodVolumes {
    const { subdirectory = '', only, onState } = this.#options
    const { store, node, tokens, rootCertificate } = this.#options
    const { clock, logger, report } = this.#options
    const volumes = new PodVolumes({
      store,
      node,
      tokens,
      rootCertificate,
      clock,
      logger,
      report,
      ...(only === undefined ? {} : { only }),
      pod: this.#pod,
      directory: path.join(mount.backend.directory, subdirectory),
      rootMode: mount.backend.volumeRootMode,
      fill: mount.backend.fill,
      adopted,
      onBroken: reason => this.#mount.giveUp(reason),
      historyOf: name => this.#controlOf(name).history,
      onState: state => onState?.(state, this.#controlOf(state.volume.name)),
    })
    volumes.start()
    return volumes
  }

  async #move(next: Promise<CurrentMount>, lost: AbortSignal): Promise<void> {
    for (const name of this.#volumes.publishedNames) this.#shown.add(name)
    const before = [...this.#shown]
    const over = AbortSignal.any([this.#closed.signal, lost])
    const moved = (async (): Promise<CurrentMount> => {
      await this.#volumes.close()
      const mount = await next
      over.throwIfAborted()
      this.#volumes = this.#publish(mount, false)
      this.#moved.resolve()
      this.#moved = deferred()
      const again = before.map(name => this.#volumes.published(name))
      await abortable(Promise.all(again), over)
      return mount
    })()
    this.#directory = moved.then(directoryOf)
    this.#directory.catch(() => undefined)
    const mount = await moved
    await abortable(this.#options.show(mount), over)
  }
}

function directoryOf({ directory }: CurrentMount): string {
  return path.join(directory, 'rw')
}
