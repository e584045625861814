import { join } from 'node:path'
import type { MachineTools } from '../../linux/machine-tools.ts'
import type { IdMaps } from '../../linux/user-namespace.ts'
import type { ContainerSetup } from './container-setup.ts'
import {
  canTakeFuseOverlay,
  findFuseOverlayfs,
  FuseOverlay,
} from './fuse-overlay.ts'
import type { StartedProcess } from './running-process.ts'

export interface FuseOverlaysOptions {
  /** Of the user namespace; undefined: what is written needs no fuse-overlayfs. */
  readonly ids: IdMaps | undefined
  /** Where there is to be a file system in memory, for what is written: `written`. */
  readonly directory: string
  readonly notice: (text: string) => void
}

/** Those of the containers of one Pod (fuse-overlay.ts). */
export class FuseOverlays {
  readonly #options: FuseOverlaysOptions
  /** Of each setup whose container is not known to have ended. */
  readonly #of = new Map<ContainerSetup, FuseOverlay>()
  /** Undefined: it is not there, or has failed. */
  #program: string | undefined
  #count = 0
  /** What has to be mounted before one is opened. */
  readonly written: string | undefined

  constructor(options: FuseOverlaysOptions) {
    this.#options = options
    const { ids, directory } = options
    if (ids !== undefined && canTakeFuseOverlay(directory))
      this.#program = findFuseOverlayfs()
    this.written = this.areUsed ? directory : undefined
  }

  get areUsed(): boolean {
    return this.#program !== undefined
  }

  /** Undefined: they are not used. Throws where /dev/fuse cannot be opened. */
  open(
    tools: Pick<MachineTools, 'setpriv' | 'unshare'>,
  ): FuseOverlay | undefined {
    const { ids, directory } = this.#options
    if (this.#program === undefined || ids === undefined) return undefined
    this.#count += 1
    return new FuseOverlay({
      program: this.#program,
      tools,
      ids,
      directory: join(directory, String(this.#count)),
    })
  }

  keep(setup: ContainerSetup, overlay: FuseOverlay): void {
    this.#of.set(setup, overlay)
  }

  of(setup: ContainerSetup): FuseOverlay | undefined {
    return this.#of.get(setup)
  }

  /**
   * Kills the container when its overlay ends by itself: of what it has written nothing is there any
   * more, and it may start anew.
   */
  async endWith(
    setup: ContainerSetup,
    running: StartedProcess,
    name: string,
  ): Promise<void> {
    const said = await this.#of.get(setup)?.ended
    if (said === undefined || running.isGone()) return
    this.#options.notice(
      `container ${name} is killed: its fuse-overlayfs has ended: ${said}`,
    )
    await running.kill()
  }

  /** The root in which it was mounted could not be made. A program that fails is as one that is not there. */
  async fail(overlay: FuseOverlay): Promise<void> {
    await overlay.end()
    const said = await overlay.ended
    if (said === undefined || this.#program === undefined) return
    this.#options.notice(
      `${this.#program} fails: ${said}; files of this machine in /usr, /var and /opt can be replaced, not changed in place`,
    )
    this.#program = undefined
  }

  async release(setup: ContainerSetup): Promise<void> {
    await this.#of.get(setup)?.end()
    this.#of.delete(setup)
  }

  async end(): Promise<void> {
    await Promise.all([...this.#of.values()].map(each => each.end()))
  }
}
