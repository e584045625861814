import { formatPatch, structuredPatch } from 'diff'
import { items, text, type JsonObject } from '../../api/json.ts'

/** A file's lines may be so different that to compare them would take for ever. */
const longestDiffMs = 2000

/** A file of a VolumeGeneration: `data`, `binaryData` or `hmacSHA256`. */
interface File {
  readonly mode: string
  /** To compare, and unless it is binary to show. */
  readonly content: string
  readonly isBinary: boolean
}

/**
 * What git would print of two generations of a volume: for each path that differs a header,
 * the modes if they are other ones, and the lines. Of a confidential file the lines are its
 * hash. '' when they are alike.
 */
export function diffGenerations(from: JsonObject, to: JsonObject): string {
  const before = filesOf(from)
  const after = filesOf(to)
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort()
  return paths
    .map(path =>
      diffFile(path, before.get(path), after.get(path), [
        `generation ${text(from['generation'])}`,
        `generation ${text(to['generation'])}`,
      ]),
    )
    .join('')
}

function diffFile(
  path: string,
  before: File | undefined,
  after: File | undefined,
  headers: readonly [string, string],
): string {
  if (
    before?.content === after?.content &&
    before?.isBinary === after?.isBinary &&
    before?.mode === after?.mode
  )
    return ''
  const isBinary = before?.isBinary === true || after?.isBinary === true
  const names = [
    before === undefined ? '/dev/null' : `a/${path}`,
    after === undefined ? '/dev/null' : `b/${path}`,
  ] as const
  const patch = isBinary
    ? undefined
    : structuredPatch(
        ...names,
        before?.content ?? '',
        after?.content ?? '',
        ...headers,
        { context: 3, timeout: longestDiffMs },
      )
  const header = formatPatch({
    oldFileName: names[0],
    newFileName: names[1],
    oldHeader: headers[0],
    newHeader: headers[1],
    hunks: patch?.hunks ?? [],
    isGit: true,
    isCreate: before === undefined,
    isDelete: after === undefined,
    ...(before !== undefined && before.mode !== after?.mode
      ? { oldMode: before.mode }
      : {}),
    ...(after !== undefined && after.mode !== before?.mode
      ? { newMode: after.mode }
      : {}),
    // git leaves out a count of one. No other line begins like this one.
  }).replaceAll(/^@@ .*$/gm, hunk => hunk.replaceAll(/,1(?= )/g, ''))
  if (patch !== undefined || before?.content === after?.content) return header
  return `${header}${isBinary ? 'Binary files' : 'Files'} ${names.join(' and ')} differ\n`
}

function filesOf(generation: JsonObject): ReadonlyMap<string, File> {
  return new Map(
    items(generation, 'files').map(file => [text(file['path']), fileOf(file)]),
  )
}

function fileOf({ mode, data, binaryData, hmacSHA256 }: JsonObject): File {
  return {
    // As git writes the mode of a file.
    mode: `100${Number(mode).toString(8).padStart(3, '0')}`,
    content:
      hmacSHA256 === undefined
        ? text(data ?? binaryData)
        : `hmac-sha256:${text(hmacSHA256)}\n`,
    isBinary: binaryData !== undefined,
  }
}
