import { mkdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { formatFstab, type FstabEntry } from './fstab.ts'
import { runTool } from './run-tool.ts'

/**
 * The file systems in memory that a Pod has on the host, below a directory of its own: where its
 * live volumes are shown (live-mounts.ts), the /dev/shm of its containers, of the size that a
 * container run-time gives it (64 MiB; containerd, setupSandboxFiles), and what they write through
 * fuse-overlayfs, where it is used (fuse-overlay.ts). All are made with one mount(8), which takes
 * longer to start than to mount.
 */
export class PodTmpfs {
  /** Its mounts are propagated. */
  readonly live: string
  readonly sharedMemory: string
  readonly #written: string | undefined
  readonly #fstab: string
  #made: Promise<void> | undefined

  /** `written`: where one more is, if there is one for fuse-overlayfs. */
  constructor(directory: string, written: string | undefined) {
    this.live = join(directory, 'live')
    this.sharedMemory = join(directory, 'shm')
    this.#written = written
    this.#fstab = join(directory, 'tmpfs-fstab')
  }

  /** Made once. */
  async made(): Promise<void> {
    this.#made ??= this.#mount([
      tmpfs(this.live, ['mode=0755', 'shared']),
      this.#sharedMemory(),
      ...(this.#written === undefined
        ? []
        : [tmpfs(this.#written, ['mode=0700'])]),
    ])
    await this.#made
  }

  /** An empty one, for another sandbox: who has the old one keeps it. */
  async renewSharedMemory(): Promise<void> {
    if (this.#made === undefined) return
    await this.#made.catch(() => undefined)
    await unmount(this.sharedMemory)
    this.#made = this.#mount([this.#sharedMemory()])
    await this.#made
  }

  /** When no container runs any more. */
  async close(): Promise<void> {
    if (this.#made === undefined) return
    await this.#made.catch(() => undefined)
    const places = [this.live, this.sharedMemory]
    if (this.#written !== undefined) places.push(this.#written)
    await unmount(...places)
    // Never recursively as long as something may be mounted there.
    for (const path of [...places, this.#fstab])
      await rm(path, { recursive: true, force: true })
  }

  #sharedMemory(): FstabEntry {
    const options = ['mode=1777', 'size=65536k', 'nosuid', 'nodev', 'noexec']
    return tmpfs(this.sharedMemory, options)
  }

  async #mount(entries: readonly FstabEntry[]): Promise<void> {
    for (const { target } of entries) mkdirSync(target, { recursive: true })
    writeFileSync(this.#fstab, formatFstab(entries))
    await runTool('mount', '-n', '-a', '-T', this.#fstab)
  }
}

function tmpfs(target: string, options: readonly string[]): FstabEntry {
  return { source: 'podfs', target, type: 'tmpfs', options }
}

async function unmount(...paths: readonly string[]): Promise<void> {
  await runTool('umount', '-n', '-c', '-l', ...paths).catch(() => {})
}
