import { mkdir, rm, writeFile } from 'node:fs/promises'
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

/** The files of one Pod on the host, in its scratch directory; each made once. */
export class PodFiles {
  readonly #world: string
  readonly #setups: string
  readonly #hostnameFile: string
  readonly #applets: string
  readonly #made = new Map<string, Promise<unknown>>()
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

  async ready(container: ContainerRoot): Promise<ContainerFiles> {
    const { hostname } = container
    await this.#once(this.#world, () =>
      Promise.all([
        mkdir(this.#world, { recursive: true }),
        mkdir(this.#setups, { recursive: true }),
      ]),
    )
    // All containers of a Pod have the same; a second write would empty it under the first.
    if (hostname !== undefined)
      await this.#once(this.#hostnameFile, () =>
        writeFile(this.#hostnameFile, `${hostname}\n`),
      )
    const program = container.busybox ? findBusybox() : undefined
    if (program !== undefined)
      await this.#once(this.#applets, () => makeApplets(program, this.#applets))
    return {
      world: this.#world,
      hostnameFile: this.#hostnameFile,
      ...(program === undefined
        ? {}
        : { busybox: { program, applets: this.#applets } }),
    }
  }

  /** Empty, for one setup. */
  async makeSetupDirectory(): Promise<string> {
    this.#setupCount += 1
    const directory = join(this.#setups, String(this.#setupCount))
    await mkdir(directory)
    return directory
  }

  async remove(): Promise<void> {
    const own = [this.#world, this.#setups, this.#hostnameFile, this.#applets]
    await Promise.all(
      own.map(path => rm(path, { recursive: true, force: true })),
    )
  }

  async #once(path: string, make: () => Promise<unknown>): Promise<void> {
    const made = this.#made.get(path) ?? make()
    this.#made.set(path, made)
    await made
  }
}
