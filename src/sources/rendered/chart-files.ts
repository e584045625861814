import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isEditorsFile } from '../editors-files.ts'
import { isRemote, type Rendering } from './rendering.ts'
import type { RenderingFiles } from './rendering-files.ts'

/**
 * Adds every file of this machine that Helm reads for a chart: all of its directory, because a
 * template can ask for any of them (`.Files`), or its package, and the values files.
 */
export async function addChart(
  files: RenderingFiles,
  { chart, values }: Extract<Rendering, { kind: 'helm' }>,
): Promise<void> {
  for (const path of [chart, ...values]) {
    const found = await stat(path).catch(() => undefined)
    if (found === undefined && isRemote(path))
      files.addRemote(path, { path, line: 1, column: 1 })
    else if (found?.isDirectory() === true)
      await addDirectory(files, path, new Set())
    else await files.add(path)
  }
}

async function addDirectory(
  files: RenderingFiles,
  directory: string,
  above: ReadonlySet<string>,
): Promise<void> {
  await files.points.addPath(directory)
  const real = await realpath(directory).catch(() => undefined)
  // A link to a directory above: Helm itself would not come to an end.
  if (real === undefined || above.has(real)) return
  files.points.addAll(real)
  const entries = await readdir(directory, { withFileTypes: true }).catch(
    // Just gone, or closed: what it is now tells the next look, or Helm.
    () => [],
  )
  for (const entry of entries) {
    if (entry.name === '.git' || isEditorsFile(entry.name)) continue
    const path = join(directory, entry.name)
    const kind = entry.isSymbolicLink()
      ? await stat(path).catch(() => undefined)
      : entry
    if (kind?.isDirectory() === true)
      await addDirectory(files, path, new Set([...above, real]))
    else if (kind === undefined || kind.isFile()) await files.add(path)
  }
}
