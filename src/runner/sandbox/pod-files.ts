import { mkdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeApplets } from './busybox-applets.ts'
import type { ContainerRoot } from './container-runtime.ts'
import { findBusybox } from './machine-tools.ts'
import type { BusyboxMounts } from './root-plan.ts'

/** What a setup uses of the Pod's files. */
export interface ContainerFiles {
  /** Where all roots of the Pod are put together, each in its own namespace. */
  readonly world: string
  readonly hostnameFile: string
  /** When the container asks for busybox and the machine has one. */
  readonly busybox?: BusyboxMounts
}

/**
 * The files of one Pod on the host, in its scratch directory; each made once. They are few, on a
 * tmpfs, and made without the thread pool, where each would wait for its turn.
 */
export class PodFiles {
  readonly #world: string
  readonly #setups: string
  readonly #hostnameFile: string
  readonly #applets: string
  readonly #made = new Set<string>()
  #filled: Promise<void> | undefined
  #setupCount = 0

  /** `applets`: where the links are made, which are many. */
  constructor(
    scratchDirectory: string,
    applets = join(scratchDirectory, 'applets'),
  ) {
    this.#world = join(scratchDirectory, 'root')
    this.#setups = join(scratchDirectory, 'setups')
    this.#hostnameFile = join(scratchDirectory, 'hostname')
    this.#applets = applets
  }

  make(container: ContainerRoot): ContainerFiles {
    const { hostname } = container
    this.#once(this.#world, () => {
      mkdirSync(this.#world, { recursive: true })
      mkdirSync(this.#setups, { recursive: true })
    })
    // All containers of a Pod have the same; a second write would empty it under the first.
    if (hostname !== undefined)
      this.#once(this.#hostnameFile, () =>
        writeFileSync(this.#hostnameFile, `${hostname}\n`),
      )
    const program = container.busybox ? findBusybox() : undefined
    return {
      world: this.#world,
      hostnameFile: this.#hostnameFile,
      ...(program === undefined
        ? {}
        : { busybox: { program, applets: this.#applets } }),
    }
  }

  /**
   * The directory of applets is there when it returns, to be mounted; its links are many, and
   * there when the promise resolves.
   */
  async fill({ busybox }: ContainerFiles): Promise<void> {
    if (busybox === undefined) return
    this.#once(this.#applets, () => {
      mkdirSync(this.#applets, { recursive: true })
      this.#filled = makeApplets(busybox.program, busybox.applets)
    })
    await this.#filled
  }

  /** Empty, for one setup. */
  makeSetupDirectory(): string {
    this.#setupCount += 1
    const directory = join(this.#setups, String(this.#setupCount))
    mkdirSync(directory)
    return directory
  }

  async remove(): Promise<void> {
    const own = [this.#world, this.#setups, this.#hostnameFile, this.#applets]
    await Promise.all(
      own.map(path => rm(path, { recursive: true, force: true })),
    )
  }

  #once(path: string, make: () => void): void {
    if (this.#made.has(path)) return
    make()
    this.#made.add(path)
  }
}
