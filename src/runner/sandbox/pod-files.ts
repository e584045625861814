import { mkdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ContainerRoot } from './container-runtime.ts'

/** What a setup uses of the Pod's files. */
export interface ContainerFiles {
  /** Where all roots of the Pod are put together, each in its own namespace. */
  readonly world: string
  readonly hostnameFile: string
}

/**
 * The files of one Pod on the host, in its scratch directory; each made once. They are few, on a
 * tmpfs, and made without the thread pool, where each would wait for its turn.
 */
export class PodFiles {
  readonly #world: string
  readonly #setups: string
  readonly #hostnameFile: string
  readonly #made = new Set<string>()
  #setupCount = 0

  constructor(scratchDirectory: string) {
    this.#world = join(scratchDirectory, 'root')
    this.#setups = join(scratchDirectory, 'setups')
    this.#hostnameFile = join(scratchDirectory, 'hostname')
  }

  make({ hostname }: ContainerRoot): ContainerFiles {
    this.#once(this.#world, () => {
      mkdirSync(this.#world, { recursive: true })
      mkdirSync(this.#setups, { recursive: true })
    })
    // All containers of a Pod have the same; a second write would empty it under the first.
    if (hostname !== undefined)
      this.#once(this.#hostnameFile, () =>
        writeFileSync(this.#hostnameFile, `${hostname}\n`),
      )
    return { world: this.#world, hostnameFile: this.#hostnameFile }
  }

  /** Empty, for one setup. */
  makeSetupDirectory(): string {
    this.#setupCount += 1
    const directory = join(this.#setups, String(this.#setupCount))
    mkdirSync(directory)
    return directory
  }

  async remove(): Promise<void> {
    const own = [this.#world, this.#setups, this.#hostnameFile]
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
