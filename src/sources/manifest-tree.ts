import { readFile, readdir, readlink, realpath, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, relative, resolve } from 'node:path'
import ignore, { type Ignore } from 'ignore'
import { unreadable } from './errors.ts'

export interface ManifestTree {
  /** As the person would write them, sorted within each PATH. */
  readonly files: readonly string[]
  /** Real paths of the directories in which a change may concern a file of the tree. */
  readonly directories: ReadonlySet<string>
  /** PATHs that are not there; a later look may find them. */
  readonly missing: ReadonlyMap<string, unknown>
}

const extensions = new Set(['.yaml', '.yml', '.json'])

/**
 * The files that `-f PATH..` means (cli.md): a file as it is; of a directory, recursively,
 * what is called .yaml, .yml or .json; no names that begin with a dot, no node_modules,
 * nothing that a .gitignore of the directory or of one below it names.
 *
 * Names that begin with `..` are dot names, too, so a published ConfigMap volume shows each
 * file once: as its link to `..data/NAME` (architecture, rule 10).
 */
export async function findManifests(
  paths: readonly string[],
): Promise<ManifestTree> {
  const files = new Map<string, string>()
  const directories = new Set<string>()
  const missing = new Map<string, unknown>()
  for (const path of paths) {
    try {
      await noteWatchPoints(path, directories)
      if ((await stat(path)).isDirectory()) {
        const found: string[] = []
        await walk(path, found, directories, [], new Set())
        for (const file of found.sort(compare)) files.set(resolve(file), file)
      } else {
        files.set(resolve(path), path)
      }
    } catch (error) {
      missing.set(path, error)
    }
  }
  for (const file of files.values()) await noteWatchPoints(file, directories)
  return { files: [...files.values()], directories, missing }
}

/** Throws a SourceError for a PATH that is not there. */
export function refuseMissing(tree: ManifestTree): void {
  for (const [path, error] of tree.missing) throw unreadable(path, error)
}

async function walk(
  directory: string,
  files: string[],
  directories: Set<string>,
  rules: readonly GitIgnore[],
  above: ReadonlySet<string>,
): Promise<void> {
  const real = await realpath(directory)
  // A link to a directory above: kubectl does not follow links, we do not follow circles.
  if (above.has(real)) return
  directories.add(real)
  const own = await readGitIgnore(directory)
  const all = own === undefined ? rules : [...rules, own]
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
    const kind = entry.isSymbolicLink()
      ? await stat(path).catch(() => undefined)
      : entry
    if (kind?.isDirectory() === true) {
      if (isIgnored(`${path}/`, all)) continue
      await walk(path, files, directories, all, new Set([...above, real]))
    } else if (extensions.has(extname(entry.name)) && !isIgnored(path, all)) {
      // What is not there yet, such as a dangling link, is looked at nevertheless.
      if (kind === undefined || kind.isFile()) files.push(path)
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
  } catch {
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

/**
 * The directories whose entries decide what `path` means: that of the last name, and that of
 * each symbolic link on the way. A change of any of them can put another file at `path`.
 */
export async function noteWatchPoints(
  path: string,
  directories: Set<string>,
  depth = 0,
): Promise<string> {
  const names = resolve(path).split('/').filter(Boolean)
  let real = '/'
  for (const [i, name] of names.entries()) {
    const next = join(real, name)
    const link = await readlink(next).catch(() => undefined)
    if (link !== undefined || i === names.length - 1) note(real, directories)
    real =
      link === undefined || depth > 40
        ? next
        : await noteWatchPoints(resolve(real, link), directories, depth + 1)
  }
  return real
}

/** A timestamped directory of a published volume never changes: `..data` beside it does. */
function note(directory: string, directories: Set<string>): void {
  if (!basename(directory).startsWith('..')) directories.add(directory)
}

/** The key under which a hint about a name in a directory finds the file. */
export async function hintKeys(file: string): Promise<readonly string[]> {
  const directory = await realpath(dirname(file)).catch(() =>
    resolve(dirname(file)),
  )
  const named = join(directory, basename(file))
  const target = await realpath(file).catch(() => named)
  return target === named ? [named] : [named, target]
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
