import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { viewFrom } from '../../linux/host-view.ts'
import type { SandboxConfig } from './container-runtime.ts'
import { formatFstab } from './fstab.ts'
import { procMasks } from './kernel-masks.ts'

/** What a setup uses of the Pod's files. */
export interface ContainerFiles {
  /** Where all roots of the Pod are put together, each in its own namespace. */
  readonly world: string
  /** Absent: the machine's. */
  readonly hostnameFile?: string
}

/**
 * In the scratch directory of a Pod, for as long as processes of its containers may be there: a
 * file with what the names of their roots begin with, which no other Pod's do.
 */
export const processesMark = 'processes'

/** Of the Pod whose mark this is. */
export function cgroupNameOf(mark: string): string {
  return `pod${mark.replace(/^podfs-|-$/g, '')}`
}

/**
 * The files of one Pod on the host, in its scratch directory; each made once. They are few, on a
 * tmpfs, and made without the thread pool, where each would wait for its turn.
 */
export class PodFiles {
  readonly #world: string
  readonly #setups: string
  readonly templates: string
  readonly #streams: string
  readonly #hostnameFile: string
  readonly #mark: string
  readonly #masks: string
  readonly #filters: string
  readonly #rootNames = `podfs-${randomUUID()}-`
  #files: ContainerFiles | undefined
  #hostname: string | undefined
  #setupCount = 0
  #streamsCount = 0
  #hasMasks = false

  constructor(scratchDirectory: string) {
    this.#world = join(scratchDirectory, 'root')
    this.#setups = join(scratchDirectory, 'setups')
    this.templates = join(scratchDirectory, 'templates')
    this.#streams = join(scratchDirectory, 'streams')
    this.#hostnameFile = join(scratchDirectory, 'hostname')
    this.#mark = join(scratchDirectory, processesMark)
    this.#masks = join(scratchDirectory, 'proc-fstab')
    this.#filters = join(scratchDirectory, 'seccomp')
  }

  /** Of the Pod's sandbox; it comes first, and all of them have the same. */
  begin({ hostname }: SandboxConfig): void {
    this.#hostname = hostname
    mkdirSync(dirname(this.#mark), { recursive: true })
    writeFileSync(this.#mark, this.#rootNames)
  }

  make(): ContainerFiles {
    this.#files ??= this.#make()
    return this.#files
  }

  #make(): ContainerFiles {
    mkdirSync(this.#world, { recursive: true })
    mkdirSync(this.#setups, { recursive: true })
    if (this.#hostname === undefined) return { world: this.#world }
    writeFileSync(this.#hostnameFile, `${this.#hostname}\n`)
    return { world: this.#world, hostnameFile: this.#hostnameFile }
  }

  /** What the Pod's cgroup is called. */
  get cgroupName(): string {
    return cgroupNameOf(this.#rootNames)
  }

  /** An fstab of what covers /proc in the containers, as this machine has it. */
  masks(): string {
    if (!this.#hasMasks)
      writeFileSync(this.#masks, formatFstab(procMasks(viewFrom('/'))))
    this.#hasMasks = true
    return this.#masks
  }

  /** A filter of system calls, for a container and for what is run in it. */
  filter(container: string, program: Buffer): string {
    mkdirSync(this.#filters, { recursive: true })
    const file = join(this.#filters, container)
    // The container's user, who may be anybody, is to read it.
    writeFileSync(file, program, { mode: 0o444 })
    return file
  }

  /** An empty directory for one setup, and the name of its root. */
  makeSetup(): { readonly directory: string; readonly rootName: string } {
    this.#setupCount += 1
    const directory = join(this.#setups, String(this.#setupCount))
    mkdirSync(directory)
    return { directory, rootName: `${this.#rootNames}${this.#setupCount}` }
  }

  /** Where one command may put what its streams go through; not made. */
  newStreams(): string {
    this.#streamsCount += 1
    return join(this.#streams, String(this.#streamsCount))
  }

  async remove(): Promise<void> {
    const own = [
      this.#world,
      this.#setups,
      this.templates,
      this.#streams,
      this.#hostnameFile,
      this.#mark,
      this.#masks,
      this.#filters,
    ]
    await Promise.all(
      own.map(path => rm(path, { recursive: true, force: true })),
    )
  }
}
