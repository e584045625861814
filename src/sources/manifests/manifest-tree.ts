import { readFile, readdir, realpath, stat } from 'node:fs/promises'
import { extname, join, relative, resolve } from 'node:path'
import ignore, { type Ignore } from 'ignore'
import { withoutAgeSuffix } from '../encryption/age-file.ts'
import { isAbsence, unreadable } from '../errors.ts'
import { foundFile, watchedOf, type FoundFile } from '../found-file.ts'
import type { Listing } from '../live-files.ts'
import { WatchPoints } from '../watch-points.ts'
import { hasCode } from '../../util/error-code.ts'

const extensions = new Set(['.yaml', '.yml', '.json'])

function isManifestName(name: string): boolean {
  return extensions.has(extname(withoutAgeSuffix(name)))
}

/**
 * The files that `-f PATH..` means: a file as it is; of a directory, recursively, what is called
 * .yaml, .yml or .json, or one of these and .age. Left out are names that begin with a dot,
 * node_modules, and what a .gitignore of the directory or of one below it names.
 *
 * The files are sorted within each PATH. Names that begin with `..` are dot names, too, so a published ConfigMap volume shows each
 * file once: as its link to `..data/NAME`.
 */
export async function findManifests(
  paths: readonly string[],
): Promise<Required<Listing>> {
  const files = new Map<string, FoundFile>()
  const points = new WatchPoints()
  const problems = new Map<string, unknown>()
  for (const path of paths) {
    await points.addPath(path)
    try {
      if ((await stat(path)).isDirectory()) {
        const found: FoundFile[] = []
        await walk(path, { files: found, points, problems }, [], new Set())
        for (const file of found.sort(byPath))
          files.set(resolve(file.path), file)
      } else {
        files.set(resolve(path), await foundFile(path, points))
      }
    } catch (error) {
      problems.set(path, error)
    }
  }
  return { files: [...files.values()], points, problems }
}

/** Throws a SourceError for what cannot be read. */
export function refuseProblems(tree: Required<Listing>): void {
  for (const [path, error] of tree.problems) throw unreadable(path, error)
}

interface Found {
  readonly files: FoundFile[]
  readonly points: WatchPoints
  readonly problems: Map<string, unknown>
}

async function walk(
  directory: string,
  found: Found,
  rules: readonly GitIgnore[],
  above: ReadonlySet<string>,
): Promise<void> {
  const real = await realpath(directory)
  // A link to a directory above: kubectl does not follow links, we do not follow circles.
  if (above.has(real)) return
  found.points.addAll(real)
  const own = await readGitIgnore(directory)
  const all = own === undefined ? rules : [...rules, own]
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
    const isLink = entry.isSymbolicLink()
    const named = join(real, entry.name)
    const target = isLink ? await found.points.addPath(path) : named
    const kind = isLink ? await stat(path).catch(() => undefined) : entry
    if (kind?.isDirectory() === true) {
      if (isIgnored(`${path}/`, all)) continue
      try {
        await walk(path, found, all, new Set([...above, real]))
      } catch (error) {
        // Just gone: what tells of that brings the next look.
        if (!isAbsence(error)) found.problems.set(path, error)
      }
    } else if (isManifestName(entry.name) && !isIgnored(path, all)) {
      // What is not there yet, such as a dangling link, is looked at nevertheless.
      if (kind === undefined || kind.isFile())
        found.files.push({
          path,
          names: watchedOf(found.points, named, target),
        })
    }
  }
}

interface GitIgnore {
  readonly directory: string
  readonly rules: Ignore
}

async function readGitIgnore(
  directory: string,
): Promise<GitIgnore | undefined> {
  try {
    const text = await readFile(join(directory, '.gitignore'), 'utf8')
    return { directory, rules: ignore().add(text) }
  } catch (error) {
    // For want of a descriptor, say, nothing that it hides must come to light.
    if (!isAbsence(error) && !hasCode(error, 'EISDIR')) throw error
    return undefined
  }
}

/** The innermost .gitignore that has an opinion decides, as in git. */
function isIgnored(path: string, all: readonly GitIgnore[]): boolean {
  for (const { directory, rules } of all.toReversed()) {
    const inside = relative(directory, path) + (path.endsWith('/') ? '/' : '')
    const { ignored, unignored } = rules.test(inside)
    if (ignored || unignored) return ignored
  }
  return false
}

function byPath({ path: a }: FoundFile, { path: b }: FoundFile): number {
  return a < b ? -1 : a > b ? 1 : 0
}
