import { isUtf8 } from 'node:buffer'
import { basename, dirname } from 'node:path'
import {
  decodeObjects,
  type DecodeOptions,
} from '../../api/decode/decode-object.ts'
import { sortFindings } from '../../api/decode/finding-list.ts'
import { isMistake, type Finding } from '../../api/report.ts'
import type { KubeObject, Position } from '../../api/types.ts'
import { isMapping } from '../../api/value.ts'
import { readDocuments } from '../../api/yaml/documents.ts'
import { maxObjectValues } from '../../api/yaml/limits.ts'
import { positionsIn } from '../../api/yaml/positions.ts'
import { toValue } from '../../api/yaml/to-value.ts'
import {
  YamlError,
  type YamlDocument,
  type YamlNode,
} from '../../api/yaml/yaml-node.ts'
import { atOnce } from '../../util/in-turns.ts'
import { shellWord } from '../../util/shell-word.ts'
import { textOf } from './manifest-text.ts'
import { fieldPositions } from '../yaml-positions.ts'

export interface Manifest {
  readonly objects: readonly KubeObject[]
  /** Sorted by position. */
  readonly findings: readonly Finding[]
  /**
   * False when the text is not YAML: then nothing is known of any of its objects, and the
   * caller keeps those it has.
   */
  readonly parsed: boolean
}

/** A file whose YAML is sound. */
export interface ParsedManifest {
  readonly path: string
  readonly text: string
  readonly documents: readonly YamlDocument[]
  /** What is read although kubectl would not, and other doubts. */
  readonly warnings: readonly Finding[]
  readonly toPosition: (offset: number) => Position
}

/** Work that yields where others may have a turn. */
export type Reading<T> = Generator<undefined, T>

/** Nobody reads more of one file. */
const maxMistakes = 1000

/**
 * Reads a manifest file, its bytes or its text: YAML or JSON, several documents, Lists.
 * Everything wrong is a finding with its line and column; nothing is thrown.
 */
export function readManifest(
  content: Buffer | string,
  path: string,
  options: DecodeOptions,
): Manifest {
  try {
    return atOnce(readingManifest(content, path, options))
  } catch (error) {
    return unexpected(error, path)
  }
}

function* readingManifest(
  content: Buffer | string,
  path: string,
  options: DecodeOptions,
): Reading<Manifest> {
  const text = typeof content === 'string' ? content : textOf(content)
  if (text === undefined) return broken([notUtf8(content as Buffer, path)])
  const parsed = yield* parseManifest(text, path)
  return 'documents' in parsed ? yield* decodeManifest(parsed, options) : parsed
}

/** A bug here must not take down a daemon that serves other files. */
export function unexpected(error: unknown, path: string): Manifest {
  const words = error instanceof Error ? error.message : String(error)
  const position = { path, line: 1, column: 1 }
  return broken([rejection(position, `podfs cannot read this file: ${words}`)])
}

/** What is read in spite of it would be other bytes than the file has. */
export function notUtf8(bytes: Buffer, path: string): Finding {
  const lines = bytes.toString('latin1').split('\n')
  const line = lines.findIndex(each => !isUtf8(Buffer.from(each, 'latin1')))
  const text = Buffer.from(lines[line] ?? '', 'latin1').toString()
  const position = {
    path,
    line: line + 1,
    column: Math.max(text.indexOf('\uFFFD'), 0) + 1,
  }
  return rejection(position, 'not YAML: the text is not UTF-8')
}

/** The documents, or why there are none. */
export function* parseManifest(
  text: string,
  path: string,
): Reading<ParsedManifest | Manifest> {
  const toPosition = positionsIn(path, text)
  const documents: YamlDocument[] = []
  /** Of each kind the first. */
  const tolerated = new Map<string, number>()
  try {
    const reading = readDocuments(text, (offset, problem) => {
      if (!tolerated.has(problem)) tolerated.set(problem, offset)
    })
    for (const document of reading) {
      if (document === undefined) yield undefined
      else if (!isNothing(document.root)) documents.push(document)
    }
  } catch (error) {
    return broken([asFinding(error, text, toPosition)])
  }
  const [first] = documents
  if (first !== undefined && /^kustomization(\.ya?ml)?$/i.test(basename(path)))
    return broken([kustomization(toPosition(0), path)])
  const warnings = [...tolerated].map(([problem, offset]): Finding => ({
    treatment: 'warning',
    position: toPosition(offset),
    message: `kubectl does not read this: ${problem}`,
  }))
  return { path, text, documents, warnings, toPosition }
}

/** An empty document, or one of comments only. */
function isNothing(root: YamlNode): boolean {
  return root.kind === 'scalar' && root.plain && root.text === ''
}

/** The objects of the documents, and what is wrong with them. */
export function* decodeManifest(
  parsed: ParsedManifest,
  options: DecodeOptions,
): Reading<Manifest> {
  const { text, documents, toPosition } = parsed
  const objects: KubeObject[] = []
  const findings: Finding[] = [...parsed.warnings]
  let mistakes = 0
  try {
    for (const document of documents) {
      const result = yield* decodeDocument(document, parsed, options)
      yield undefined
      if ('treatment' in result) return broken([result])
      for (const object of result.objects) objects.push(object)
      for (const finding of result.findings) {
        findings.push(finding)
        if (!isMistake(finding)) continue
        mistakes += 1
        if (mistakes <= maxMistakes) continue
        const { position } = finding
        const message = `more than ${maxMistakes} mistakes in one file: these are the first`
        findings[findings.length - 1] = rejection(position, message)
        return { objects, findings: sortFindings(findings), parsed: true }
      }
    }
  } catch (error) {
    return broken([asFinding(error, text, toPosition)])
  }
  return { objects, findings: sortFindings(findings), parsed: true }
}

function* decodeDocument(
  document: YamlDocument,
  { path, toPosition }: ParsedManifest,
  options: DecodeOptions,
): Reading<Finding | Pick<Manifest, 'objects' | 'findings'>> {
  refuseLarge(document.root)
  const doubles: Finding[] = []
  const value = yield* toValue(document.root, (key, offset, earlier) => {
    if (doubles.length === maxMistakes) return
    const { line, column } = toPosition(earlier)
    doubles.push({
      treatment: 'warning',
      position: toPosition(offset),
      message: `duplicate field ${JSON.stringify(key.slice(0, 300))}: it is at ${path}:${line}:${column}, too; the last one is used`,
    })
  })
  if (value === null) return { objects: [], findings: [] }
  const positionOf = fieldPositions(document, toPosition)
  if (isMapping(value) && isKustomization(value))
    return kustomization(positionOf('kind'), path)
  const source = { ...positionOf(''), positionOf }
  const { objects, findings } = yield* decodeObjects(value, source, options)
  return { objects, findings: [...doubles, ...findings] }
}

/** What is made of an object is made in one go, so it must not have too much. */
function refuseLarge(node: YamlNode): void {
  if (node.kind !== 'mapping' || node.size <= maxObjectValues) return
  const isText = (of: YamlNode, pattern: RegExp): boolean =>
    of.kind === 'scalar' && pattern.test(of.text)
  const field = (name: RegExp): YamlNode | undefined =>
    node.pairs.findLast(({ key }) => isText(key, name))?.value
  const kind = field(/^kind$/)
  const items = field(/^items$/)
  if (kind !== undefined && isText(kind, /List$/) && items?.kind === 'sequence')
    for (const item of items.items) refuseLarge(item)
  else
    throw new YamlError(
      node.offset,
      `more than ${maxObjectValues} values in one object`,
    )
}

/** Throws what is no mistake of the file. */
function asFinding(
  error: unknown,
  text: string,
  toPosition: (offset: number) => Position,
): Finding {
  if (!(error instanceof YamlError)) throw error
  const template = templateIn(text, toPosition)
  if (template !== undefined) return template
  const { offset, message, fix } = error
  return rejection(toPosition(offset), message, fix)
}

function isKustomization(value: ReadonlyMap<string, unknown>): boolean {
  const apiVersion = value.get('apiVersion')
  return (
    typeof apiVersion === 'string' &&
    apiVersion.startsWith('kustomize.config.k8s.io/')
  )
}

function kustomization(position: Position, path: string): Finding {
  const directory = shellWord(dirname(path))
  return rejection(
    position,
    'a kustomization is not a manifest: kubectl makes manifests of it',
    `podfs run -k ${directory} (live), or kubectl kustomize ${directory} | podfs run -f - (once)`,
  )
}

/** `{{` outside of quotes and comments: a Helm template that nobody has rendered. */
function templateIn(
  text: string,
  toPosition: (offset: number) => Position,
): Finding | undefined {
  const found = /^[^#'"\n]*?(\{\{)/m.exec(text)
  if (found === null) return undefined
  const position = toPosition(found.index + found[0].length - 2)
  const chart = shellWord(chartOf(position.path))
  return rejection(
    position,
    'found {{ where YAML was expected: this is a template',
    `podfs run --helm ${chart} (live), or helm template ${chart} | podfs run -f - (once)`,
  )
}

/** The directory of the chart that the template is of: what `templates` is in. */
function chartOf(path: string): string {
  const parts = dirname(path).split('/')
  const at = parts.lastIndexOf('templates')
  return at === -1 ? '.' : parts.slice(0, at).join('/') || '.'
}

export function rejection(
  position: Position,
  message: string,
  fix?: string,
): Finding {
  return {
    treatment: 'rejected',
    position,
    message,
    ...(fix !== undefined && { fix }),
  }
}

/** Nothing is known of its objects. */
export function broken(findings: readonly Finding[]): Manifest {
  return { objects: [], findings, parsed: false }
}
