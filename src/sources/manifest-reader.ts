import { isUtf8 } from 'node:buffer'
import { basename, dirname } from 'node:path'
import { LineCounter, parseAllDocuments, type Document } from 'yaml'
import {
  decodeObject,
  type DecodeOptions,
} from '../api/decode/decode-object.ts'
import { sortFindings } from '../api/decode/finding-list.ts'
import type { Finding } from '../api/report.ts'
import type { KubeObject, Position } from '../api/types.ts'
import { isMapping } from '../api/value.ts'
import { fieldPositions, positionsIn } from './yaml-positions.ts'
import { toValue, YamlValueError } from './yaml-value.ts'

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
  readonly documents: readonly Document.Parsed[]
  readonly toPosition: (offset: number) => Position
}

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
    const parsed = parseManifest(content, path)
    return 'documents' in parsed ? decodeManifest(parsed, options) : parsed
  } catch (error) {
    return unexpected(error, path)
  }
}

/** A bug here or in the library must not take down a daemon that serves other files. */
export function unexpected(error: unknown, path: string): Manifest {
  const words = error instanceof Error ? error.message : String(error)
  const position = { path, line: 1, column: 1 }
  return broken([rejection(position, `podfs cannot read this file: ${words}`)])
}

/** What is read in spite of it would be other bytes than the file has. */
function notUtf8(bytes: Buffer, path: string): Finding {
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
export function parseManifest(
  content: Buffer | string,
  path: string,
): ParsedManifest | Manifest {
  if (typeof content !== 'string' && !isUtf8(content))
    return broken([notUtf8(content, path)])
  const text = content.toString()
  const lines = new LineCounter()
  const toPosition = positionsIn(path, lines)
  // Keys, merges and scalars are resolved by our own rules, which are kubectl's; the library
  // gives the tree, in which each scalar is still text.
  const documents = parseAllDocuments(text.replace(/^\uFEFF/, ''), {
    schema: 'failsafe',
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    merge: false,
    logLevel: 'silent',
  })
  if (!Array.isArray(documents)) {
    return { path, text, documents: [], toPosition }
  }
  if (/^kustomization(\.ya?ml)?$/i.test(basename(path))) {
    return broken([kustomization(toPosition(0), path)])
  }
  const errors = documents.flatMap(document => document.errors)
  const [first] = errors
  if (first !== undefined) {
    const template = templateIn(text, toPosition)
    return broken(
      // Only the first: what follows in the same file is mostly its consequence.
      [
        template ??
          rejection(
            toPosition(first.pos[0]),
            yamlWords(first.message),
            first.code === 'TAB_AS_INDENT' ? 'indent with spaces' : undefined,
          ),
      ],
    )
  }
  return { path, text, documents, toPosition }
}

/** The objects of the documents, and what is wrong with them. */
export function decodeManifest(
  parsed: ParsedManifest,
  options: DecodeOptions,
): Manifest {
  const objects: KubeObject[] = []
  const findings: Finding[] = []
  for (const document of parsed.documents) {
    const result = readDocument(document, parsed, options)
    if ('objects' in result) {
      objects.push(...result.objects)
      findings.push(...result.findings)
    } else {
      return broken([result])
    }
  }
  return { objects, findings: sortFindings(findings), parsed: true }
}

function readDocument(
  document: Document.Parsed,
  { path, text, toPosition }: ParsedManifest,
  options: DecodeOptions,
): Finding | Pick<Manifest, 'objects' | 'findings'> {
  try {
    const value = toValue(document)
    // An empty document, or one of comments only.
    if (value === null) return { objects: [], findings: [] }
    const positionOf = fieldPositions(document, toPosition)
    if (isMapping(value) && isKustomization(value)) {
      return kustomization(positionOf('kind'), path)
    }
    return decodeObject(value, { ...positionOf(''), positionOf }, options)
  } catch (error) {
    if (!(error instanceof YamlValueError)) throw error
    return (
      templateIn(text, toPosition) ??
      rejection(toPosition(error.offset), error.message, error.fix)
    )
  }
}

function isKustomization(value: ReadonlyMap<string, unknown>): boolean {
  const apiVersion = value.get('apiVersion')
  return (
    typeof apiVersion === 'string' &&
    apiVersion.startsWith('kustomize.config.k8s.io/')
  )
}

function kustomization(position: Position, path: string): Finding {
  return rejection(
    position,
    'a kustomization is not a manifest: kubectl makes manifests of it',
    `kubectl kustomize ${dirname(path)} | podfs run -f -`,
  )
}

/** `{{` outside of quotes and comments: a Helm template that nobody has rendered. */
function templateIn(
  text: string,
  toPosition: (offset: number) => Position,
): Finding | undefined {
  const found = /^[^#'"\n]*?(\{\{)/m.exec(text)
  if (found === null) return undefined
  return rejection(
    toPosition(found.index + found[0].length - 2),
    'found {{ where YAML was expected: this is a template',
    'helm template . | podfs run -f -',
  )
}

/** The library's words, without a capital letter and without the text of the file. */
function yamlWords(message: string): string {
  const words = message
    // What is quoted may be a Secret's value: `Unexpected scalar token in YAML stream: "..."`.
    .replace(/: ".*"$/s, '')
    .replace(/^(Not a YAML token|Block scalar header .*characters): .*$/s, '$1')
    .replace(
      /^Missing closing (.)quote$/,
      'a quotation mark ($1) is not closed',
    )
  return `not YAML: ${words.charAt(0).toLowerCase()}${words.slice(1)}`
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
