import type { ObjectKey } from '../../api/object-key.ts'
import { isMistake, type Finding } from '../../api/report.ts'
import type { KubeObject } from '../../api/types.ts'
import {
  readMaybeEncrypted,
  type EncryptedManifestOptions,
} from '../encryption/read-maybe-encrypted.ts'
import { unreadableFinding } from '../errors.ts'
import {
  hasMistakes,
  keptObjects,
  withMissing,
} from '../manifests/manifest-file.ts'
import { rejection } from '../manifests/manifest-reader.ts'
import type { RenderResult } from './render.ts'
import type { RenderingFiles } from './rendering-files.ts'
import { outputName, rootOf, type Rendering } from './rendering.ts'

/** More of what a program says nobody reads. */
const maxWords = 2000
const maxWarnings = 20

/**
 * The objects that a rendering has given, and what is wrong with it. A program prints all of its
 * output or fails, so that what it does not have any more is believed at once; but with a mistake
 * in it nobody knows which object that was to be.
 */
export class RenderedObjects {
  readonly rendering: Rendering
  readonly #options: EncryptedManifestOptions
  #objects: readonly KubeObject[] = []
  #readNow: readonly KubeObject[] = []
  #findings: readonly Finding[] = []
  #isSound = false
  #locked: string | undefined

  constructor(rendering: Rendering, options: EncryptedManifestOptions) {
    this.rendering = rendering
    this.#options = options
  }

  /** All objects that the store shall have of it. */
  get objects(): readonly KubeObject[] {
    return this.#objects
  }

  get findings(): readonly Finding[] {
    return this.#findings
  }

  /** It has been rendered, and all of it is read. */
  get isSound(): boolean {
    return this.#isSound
  }

  /** The version of the keys that did not open it, if any. */
  get locked(): string | undefined {
    return this.#locked
  }

  /** Its objects that are not what it says now, and the mistake why. */
  kept(): ReadonlyMap<ObjectKey, Finding> {
    const reasons = this.#findings.filter(isMistake)
    return keptObjects(this.#objects, this.#readNow, reasons)
  }

  async take(result: RenderResult, files: RenderingFiles): Promise<void> {
    this.#readNow = []
    this.#locked = undefined
    this.#isSound = false
    if (result.kind !== 'rendered') {
      this.#findings = [this.#failure(result, files)]
      return
    }
    const manifest = await readMaybeEncrypted(
      result.output,
      outputName(this.rendering),
      this.#options,
    )
    const { findings, objects, parsed, locked } = manifest
    this.#findings = [...this.#warnings(result, files), ...findings]
    this.#locked = locked
    if (!parsed) return
    this.#isSound = !hasMistakes(findings)
    this.#readNow = objects
    this.#objects = this.#isSound
      ? objects
      : withMissing(objects, this.#objects)
  }

  #failure(
    result: Exclude<RenderResult, { kind: 'rendered' }>,
    files: RenderingFiles,
  ): Finding {
    const wasRead = this.#objects.length > 0
    if (result.kind === 'impossible')
      return unreadableFinding(result.error, wasRead)
    const words = files.withoutHidden(linesOf(result.words).join(' '))
    const message = `${result.by}: ${words.slice(0, maxWords)}`
    return rejection(
      this.#start(),
      wasRead ? `${message}; what was rendered before stays` : message,
    )
  }

  #warnings(
    { by, words }: Extract<RenderResult, { kind: 'rendered' }>,
    files: RenderingFiles,
  ): readonly Finding[] {
    return linesOf(words)
      .slice(0, maxWarnings)
      .map(line => ({
        treatment: 'warning',
        position: this.#start(),
        message: `${by}: ${files.withoutHidden(line).slice(0, maxWords)}`,
      }))
  }

  #start(): Finding['position'] {
    return { path: rootOf(this.rendering), line: 1, column: 1 }
  }
}

/**
 * Without what says that it is an error or a warning, nor the time and process that klog puts
 * before it, in which equal ones differ.
 */
function linesOf(words: string): readonly string[] {
  return words
    .split('\n')
    .map(line =>
      line
        .replace(/^\s*(#\s*)?(error|warning):\s*/i, '')
        .replace(/^[EWI]\d{4} [\d:.]+ +\d+ [\w.-]+:\d+\] /, '')
        .replace(/^"command failed" err="(.*)"$/, (_, text: string) =>
          text.replaceAll(/\\(.)/g, '$1'),
        )
        .trim(),
    )
    .filter(line => line !== '')
}
