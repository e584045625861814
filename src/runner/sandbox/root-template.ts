import {
  chmodSync,
  chownSync,
  mkdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { inBackground } from '../../util/in-background.ts'
import type { RootPlan } from './planned-root.ts'

type Tree = Pick<RootPlan, 'directories' | 'files' | 'links'>

/** Below a root while it is made: what it is made with. */
export const scaffold = '.podfs'
/** The upper layers of its overlays; in it a file system of their own. */
export const layersPlace = `${scaffold}/layers`
/** Where pivot_root(8) puts the host's. */
export const oldRoot = `${scaffold}/old`

/**
 * What a root has before something is mounted in it, its directories, files and links, made once
 * on the host and copied into each root by one cp(1): the containers of a Pod mostly have the same.
 */
export class RootTemplates {
  readonly #directory: string
  #latest: Template | undefined
  #count = 0

  /** Of one Pod, on the host; made if need be. */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** `work` has the template of a plan for a root that is put together at `world`. */
  async use<T>(
    plan: Tree,
    world: string,
    work: (template: string) => Promise<T>,
  ): Promise<T> {
    const template = this.#of(plan, world)
    template.users += 1
    try {
      return await work(template.path)
    } finally {
      template.users -= 1
      this.#forget(template)
    }
  }

  #of({ directories, files, links }: Tree, world: string): Template {
    const key = JSON.stringify([directories, files, links])
    if (this.#latest?.key === key) return this.#latest
    this.#count += 1
    const path = join(this.#directory, String(this.#count))
    makeTree({ directories, files, links }, world, path)
    const before = this.#latest
    this.#latest = { key, path, users: 0 }
    if (before !== undefined) this.#forget(before)
    return this.#latest
  }

  /** The latest one stays for the next container, or the next start of this one. */
  #forget(template: Template): void {
    if (template === this.#latest || template.users > 0) return
    inBackground(rm(template.path, { recursive: true, force: true }))
  }
}

interface Template {
  readonly key: string
  readonly path: string
  users: number
}

/** At `path` what the plan wants at `world`. */
function makeTree(
  { directories, files, links }: Tree,
  world: string,
  path: string,
): void {
  const within = (planned: string): string =>
    join(path, planned.slice(world.length))
  // The modes of what will be there: the copy has them, too.
  mkdirSync(path, { recursive: true, mode: 0o755 })
  mkdirSync(join(path, oldRoot), { recursive: true, mode: 0o755 })
  mkdirSync(join(path, layersPlace), { mode: 0o700 })
  for (const directory of directories)
    mkdirSync(within(directory.path), { recursive: true, mode: 0o755 })
  for (const { path, uid, gid } of directories)
    if (uid !== undefined && gid !== undefined)
      chownSync(within(path), uid, gid)
  // After the owner, whose change would clear the set-id bits.
  for (const { path, mode } of directories)
    if (mode !== undefined) chmodSync(within(path), mode)
  for (const file of files) writeFileSync(within(file), '')
  for (const { path, target } of links) symlinkSync(target, within(path))
}
