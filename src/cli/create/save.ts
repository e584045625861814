import { open, mkdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { isMapping, type Value } from '../../api/value.ts'
import { readDocuments } from '../../api/yaml/documents.ts'
import { toValue } from '../../api/yaml/to-value.ts'
import { YamlError, type YamlNode } from '../../api/yaml/yaml-node.ts'
import { Failure } from '../../util/failure.ts'
import { atOnce } from '../../util/in-turns.ts'
import { maxFileBytes, readBounded } from '../../util/read-bounded.ts'
import { fileError } from './file-error.ts'
import { lastApplied, type Format, type NewObject } from './new-object.ts'
import { hasCode } from '../../util/error-code.ts'

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
    if (!hasCode(error, 'EEXIST')) throw error
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
  let existing
  try {
    existing = await readBounded(absolute, maxFileBytes)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    throw error
  }
  const frame = Buffer.isBuffer(existing)
    ? withoutData(existing.toString())
    : undefined
  if (frame !== undefined && isDeepStrictEqual(frame, withoutData(text))) return
  throw new Failure(
    'failed',
    `${shown} is there already and holds more than podfs create writes, or something else`,
    { fix: 'move it away, or leave --save out and edit it by hand' },
  )
}

/** All of a manifest but its data; `undefined` for what has comments or is no manifest. */
function withoutData(text: string): unknown {
  // Text of the data itself is indented further.
  if (/^ {0,3}#/m.test(text)) return undefined
  const roots: YamlNode[] = []
  try {
    for (const document of readDocuments(text, () => {}))
      if (document !== undefined) roots.push(document.root)
    const [root] = roots
    if (root === undefined || roots.length !== 1) return undefined
    let isDouble = false
    const value = atOnce(toValue(root, () => (isDouble = true)))
    return isDouble ? undefined : withoutFields(value)
  } catch (error) {
    if (error instanceof YamlError) return undefined
    throw error
  }
}

function withoutFields(value: Value): Value {
  if (!isMapping(value)) return value
  const frame = new Map(value)
  frame.delete('data')
  frame.delete('binaryData')
  const metadata = frame.get('metadata')
  if (!isMapping(metadata)) return frame
  const annotations = metadata.get('annotations')
  if (!isMapping(annotations)) return frame
  const others = new Map(annotations)
  others.delete(lastApplied)
  return frame.set('metadata', new Map(metadata).set('annotations', others))
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
