import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { objectKey, type ObjectKey } from '../api/object-key.ts'
import type { ObjectKind } from '../api/types.ts'
import { isContradiction } from '../writer/volume-tree.ts'
import { hasCode } from '../util/error-code.ts'

/** Kinds that have a place in the tree, by the name of its directory. */
const treeKinds = {
  pods: 'Pod',
  configmaps: 'ConfigMap',
  secrets: 'Secret',
} as const

export type TreeKind = (typeof treeKinds)[keyof typeof treeKinds]

const directoryOf: Record<TreeKind, string> = {
  Pod: 'pods',
  ConfigMap: 'configmaps',
  Secret: 'secrets',
}

export function isTreeKind(kind: ObjectKind): kind is TreeKind {
  return Object.hasOwn(directoryOf, kind)
}

/** Where one object is in the tree. */
export interface TreePlace {
  readonly kind: TreeKind
  readonly namespace: string
  readonly name: string
}

export function placeKey({ kind, namespace, name }: TreePlace): ObjectKey {
  return objectKey(kind, namespace, name)
}

/** `shop/configmaps/web` */
export function placePath({ kind, namespace, name }: TreePlace): string {
  return path.join(namespace, directoryOf[kind], name)
}

/**
 * The directories of a tree `<namespace>/{pods,configmaps,secrets}/<name>`: makes those above
 * an object before it comes, and takes them away after the last one.
 *
 * What goes is first renamed to a directory that nobody sees: for a reader an object is all
 * there or not at all.
 */
export class ObjectDirectories {
  readonly #root: string
  readonly #removed: string
  /** How many objects are below each directory. */
  readonly #inUse = new Map<string, number>()
  /** In a namespace directories are made and taken away one after the other. */
  readonly #turns = new Map<string, Promise<void>>()
  #removals = 0

  /** Both exist, in one file system. */
  constructor(root: string, removed: string) {
    this.#root = root
    this.#removed = removed
  }

  /** Makes what is above the place; until `release` it stays. */
  async claim({ kind, namespace }: TreePlace): Promise<void> {
    const parent = path.join(namespace, directoryOf[kind])
    this.#count(parent, 1)
    this.#count(namespace, 1)
    await this.#inTurn(namespace, async () => {
      await mkdir(path.join(this.#root, parent), { recursive: true })
    })
  }

  async release({ kind, namespace }: TreePlace): Promise<void> {
    const parent = path.join(namespace, directoryOf[kind])
    this.#count(parent, -1)
    this.#count(namespace, -1)
    await this.#inTurn(namespace, async () => {
      for (const directory of [parent, namespace])
        if (!this.#inUse.has(directory))
          await rmdir(path.join(this.#root, directory)).catch(() => undefined)
    })
  }

  /** Takes away a directory of the tree, if it is there. */
  async remove(relative: string): Promise<void> {
    const from = path.join(this.#root, relative)
    this.#removals += 1
    const to = path.join(this.#removed, String(this.#removals))
    try {
      await rename(from, to)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return
      // The tree is a directory of somebody else's file system (plain-directory.ts).
      if (!hasCode(error, 'EXDEV')) throw error
      return await rm(from, { recursive: true, force: true })
    }
    await removeUnseen(to)
  }

  /**
   * What a podfs before this one has left: the places of objects, each claimed. Anything else
   * in the tree is removed.
   */
  async find(): Promise<readonly TreePlace[]> {
    for (const name of await readdir(this.#removed)) {
      await removeUnseen(path.join(this.#removed, name))
      this.#removals = Math.max(this.#removals, Number(name) || 0)
    }
    const found: TreePlace[] = []
    for (const namespace of await readdir(this.#root)) {
      for (const directory of await this.#listOrRemove(namespace)) {
        const parent = path.join(namespace, directory)
        const kind = kindOf(directory)
        if (kind === undefined) {
          await this.remove(parent)
          continue
        }
        for (const name of await this.#listOrRemove(parent))
          found.push({ kind, namespace, name })
        await rmdir(path.join(this.#root, parent)).catch(() => undefined)
      }
      await rmdir(path.join(this.#root, namespace)).catch(() => undefined)
    }
    for (const place of found) await this.claim(place)
    return found
  }

  async #listOrRemove(relative: string): Promise<string[]> {
    try {
      return await readdir(path.join(this.#root, relative))
    } catch (error) {
      if (!isContradiction(error)) throw error
      await this.remove(relative)
      return []
    }
  }

  #count(directory: string, by: 1 | -1): void {
    const count = (this.#inUse.get(directory) ?? 0) + by
    if (count === 0) this.#inUse.delete(directory)
    else this.#inUse.set(directory, count)
  }

  async #inTurn(namespace: string, task: () => Promise<void>): Promise<void> {
    const before = this.#turns.get(namespace)
    const turn = (async () => {
      await before?.catch(() => undefined)
      await task()
    })()
    this.#turns.set(namespace, turn)
    try {
      await turn
    } finally {
      if (this.#turns.get(namespace) === turn) this.#turns.delete(namespace)
    }
  }
}

/** What cannot be removed is seen by nobody, and is only in the way of its own name. */
async function removeUnseen(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true }).catch(() => undefined)
}

function kindOf(directory: string): TreeKind | undefined {
  return Object.hasOwn(treeKinds, directory)
    ? treeKinds[directory as keyof typeof treeKinds]
    : undefined
}
