import { open, mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { Failure } from '../../util/failure.ts'
import { fileError } from './file-error.ts'
import { lastApplied, type Format, type NewObject } from './new-object.ts'

/**
 * Writes the manifest to DIR/NAME-KIND.yaml (or .json) and resolves with that path. Whoever
 * looks there sees the old file or the whole new one; a Secret's is its owner's alone (0600).
 *
 * What `create` wrote for the same object is replaced. Any other file is refused: it is
 * someone's work.
 */
export async function saveManifest(
  object: NewObject,
  format: Exclude<Format, 'name'>,
  directory: string,
  cwd: string,
): Promise<string> {
  const text = object.print(format)
  const name = `${object.name}-${object.kind.toLowerCase()}.${format}`
  const shown = path.join(directory, name)
  const absolute = path.resolve(cwd, shown)
  await inWords(directory, () =>
    makeDirectory(path.dirname(absolute), directory),
  )
  await inWords(shown, () => refuseOther(absolute, shown, text))
  const mode = object.kind === 'Secret' ? 0o600 : 0o644
  await inWords(shown, () => writeWhole(absolute, text, mode))
  return shown
}

async function inWords(
  shown: string,
  step: () => Promise<void>,
): Promise<void> {
  try {
    await step()
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure('failed', `cannot save ${shown}: ${fileError(error)}`, {
      cause: error,
    })
  }
}

/** Only the last part of the path is made: a mistyped path should not become a tree. */
async function makeDirectory(absolute: string, shown: string): Promise<void> {
  try {
    await mkdir(absolute)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    if (!(await stat(absolute)).isDirectory())
      throw new Failure('failed', `cannot save ${shown}: not a directory`, {
        cause: error,
      })
  }
}

async function refuseOther(
  absolute: string,
  shown: string,
  text: string,
): Promise<void> {
  let existing: string
  try {
    existing = await readFile(absolute, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const frame = withoutData(existing)
  if (frame !== undefined && isDeepStrictEqual(frame, withoutData(text))) return
  throw new Failure(
    'failed',
    `${shown} is there already and holds more than podfs create writes, or something else`,
    { fix: 'move it away, or leave --save out and edit it by hand' },
  )
}

const dataFields = [
  ['data'],
  ['binaryData'],
  ['metadata', 'annotations', lastApplied],
]

/** All of a manifest but its data; `undefined` for what has comments or is no manifest. */
function withoutData(text: string): unknown {
  // Text of the data itself is indented further.
  if (/^ {0,3}#/m.test(text)) return undefined
  const documents = parseAllDocuments(text, {
    schema: 'failsafe',
    logLevel: 'silent',
  })
  if (!Array.isArray(documents) || documents.length !== 1) return undefined
  const [document] = documents
  if (document === undefined || document.errors.length > 0) return undefined
  for (const field of dataFields)
    if (document.hasIn(field)) document.deleteIn(field)
  return document.toJS()
}

/** (1) beside it, (2) on the disk, (3) in its place. */
async function writeWhole(
  absolute: string,
  text: string,
  mode: number,
): Promise<void> {
  // The point keeps it from being read as a manifest.
  const temporary = path.join(
    path.dirname(absolute),
    `.${path.basename(absolute)}.${process.pid}`,
  )
  const file = await open(temporary, 'wx', mode) // (1)
  try {
    await file.writeFile(text)
    await file.sync() // (2)
    await file.close()
    await rename(temporary, absolute) // (3)
  } catch (error) {
    await file.close().catch(() => {})
    await rm(temporary, { force: true })
    throw error
  }
}
