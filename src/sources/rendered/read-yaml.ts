import { stat } from 'node:fs/promises'
import { readDocuments } from '../../api/yaml/documents.ts'
import type { YamlNode } from '../../api/yaml/yaml-node.ts'
import { maxSmallFileBytes, readBounded } from '../../util/read-bounded.ts'
import { textOf } from '../manifests/manifest-text.ts'

/** The documents of a YAML text, as far as it can be read: whoever renders it says what is wrong. */
export function rootsOf(text: string): readonly YamlNode[] {
  const roots: YamlNode[] = []
  try {
    for (const document of readDocuments(text, () => undefined))
      if (document !== undefined) roots.push(document.root)
  } catch {
    return roots
  }
  return roots
}

/** '' where there is nothing that could be read. */
export async function readText(path: string): Promise<string> {
  if ((await kindOf(path)) !== 'file') return ''
  const content = await readBounded(path, maxSmallFileBytes).catch(
    () => undefined,
  )
  return Buffer.isBuffer(content) ? (textOf(content) ?? '') : ''
}

/** undefined: there is nothing, or something else. */
export async function kindOf(
  path: string,
): Promise<'file' | 'directory' | undefined> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory() === true) return 'directory'
  return found?.isFile() === true ? 'file' : undefined
}
