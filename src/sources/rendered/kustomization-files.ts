import { realpath } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { positionsIn } from '../../api/yaml/positions.ts'
import type { YamlNode, YamlScalar } from '../../api/yaml/yaml-node.ts'
import { isAtOrBelow } from '../is-at-or-below.ts'
import { kindOf, readText, rootsOf } from './read-yaml.ts'
import { isRemote } from './rendering.ts'
import type { RenderingFiles } from './rendering-files.ts'

/** kustomize api/konfig, RecognizedKustomizationFileNames. */
const fileNames = ['kustomization.yaml', 'kustomization.yml', 'Kustomization']

/** Fields of a kustomization whose entries are files, directories or URLs. */
const referring = new Set([
  'resources',
  'bases',
  'components',
  'generators',
  'transformers',
  'validators',
])

/** Those among them whose files may name further files, beside the kustomization. */
const configuring = new Set(['generators', 'transformers', 'validators'])

/**
 * Adds every file of this machine that kustomize reads for the kustomization of a directory.
 *
 * Which fields name files is not asked, because there are many, and more with each version: each
 * word of a kustomization.yaml that is the name of a file counts, and that of one which is not
 * there yet is waited for. kustomize reads no file outside of the directory of the kustomization
 * that names it, but for directories, which have a kustomization of their own.
 */
export async function addKustomization(
  files: RenderingFiles,
  directory: string,
): Promise<void> {
  await new Walk(files).enter(directory, [])
}

class Walk {
  readonly #files: RenderingFiles
  readonly #seen = new Set<string>()

  constructor(files: RenderingFiles) {
    this.#files = files
  }

  /** `roots`: where else the files that its own files name may be. */
  async enter(directory: string, roots: readonly string[]): Promise<void> {
    const real = await realpath(directory).catch(() => resolve(directory))
    if (this.#seen.has(real)) return
    this.#seen.add(real)
    for (const name of fileNames) {
      const path = join(directory, name)
      if ((await kindOf(path)) === 'file')
        await this.#readKustomization(path, directory, roots)
      else await this.#awaitName(path)
    }
  }

  async #readKustomization(
    path: string,
    directory: string,
    roots: readonly string[],
  ): Promise<void> {
    await this.#files.add(path)
    const text = await readText(path)
    const positionOf = positionsIn(path, text)
    for (const root of rootsOf(text)) {
      if (root.kind !== 'mapping') continue
      for (const { key, value } of root.pairs) {
        const field = key.kind === 'scalar' ? key.text : ''
        const isOfConfiguration = configuring.has(field)
        if (field === 'secretGenerator') await this.#hide(value, directory)
        for (const scalar of scalarsOf(value)) {
          const found = await this.#addNamed(scalar.text, directory, [
            ...roots,
            ...(isOfConfiguration ? [directory] : []),
          ])
          if (!found && referring.has(field) && isRemote(scalar.text))
            this.#files.addRemote(scalar.text, positionOf(scalar.offset))
        }
      }
    }
  }

  /** Adds what the word of a kustomization in `directory` names; false: nothing that is there. */
  async #addNamed(
    word: string,
    directory: string,
    roots: readonly string[],
  ): Promise<boolean> {
    let found = false
    for (const name of namesIn(word)) {
      const path = join(directory, name)
      switch (await kindOf(path)) {
        case 'directory':
          await this.enter(path, roots)
          found = true
          break
        case 'file':
          if (!isAtOrBelow(path, directory)) break
          found = true
          await this.#files.add(path)
          if (roots.length > 0) await this.#addConfigured(path, roots)
          break
        case undefined:
          if (!isRemote(name)) await this.#awaitName(path)
      }
    }
    return found
  }

  /** What the configuration of a generator or transformer names, beside its kustomization. */
  async #addConfigured(path: string, roots: readonly string[]): Promise<void> {
    for (const root of rootsOf(await readText(path)))
      for (const { text } of scalarsOf(root))
        for (const directory of [dirname(path), ...roots])
          for (const name of namesIn(text)) {
            const named = join(directory, name)
            if (!isAtOrBelow(named, directory)) continue
            if ((await kindOf(named)) === 'file') await this.#files.add(named)
            else await this.#awaitName(named)
          }
  }

  /** The first name on the way to it that is not there tells when it comes. */
  async #awaitName(path: string): Promise<void> {
    let next = resolve(path)
    while ((await kindOf(dirname(next))) === undefined) next = dirname(next)
    await this.#files.points.addPath(next)
  }

  /** What kustomize might quote of a secretGenerator: its literals, and lines of its env files. */
  async #hide(generators: YamlNode, directory: string): Promise<void> {
    if (generators.kind !== 'sequence') return
    for (const generator of generators.items) {
      if (generator.kind !== 'mapping') continue
      for (const { key, value } of generator.pairs) {
        const field = key.kind === 'scalar' ? key.text : ''
        const words = [...scalarsOf(value)].map(({ text }) => text)
        if (field === 'literals')
          for (const word of words) this.#files.hide(word)
        if (field === 'env' || field === 'envs')
          for (const word of words)
            for (const line of (await readText(join(directory, word))).split(
              '\n',
            ))
              this.#files.hide(line)
      }
    }
  }
}

/** `FILE`, and of a generator's `KEY=FILE` the file. */
function namesIn(word: string): readonly string[] {
  // An inline patch.
  if (word === '' || word.length > 4096 || /[\n\0]/.test(word)) return []
  const equals = word.indexOf('=')
  return equals === -1 ? [word] : [word, word.slice(equals + 1)].filter(Boolean)
}

function* scalarsOf(node: YamlNode): Generator<YamlScalar> {
  switch (node.kind) {
    case 'scalar':
      yield node
      return
    case 'sequence':
      for (const item of node.items) yield* scalarsOf(item)
      return
    case 'mapping':
      for (const { key, value } of node.pairs) {
        yield* scalarsOf(key)
        yield* scalarsOf(value)
      }
      return
    case 'alias':
    // Its target is a node of the same document.
  }
}
