import { constants } from 'node:fs'
import {
  chmod,
  mkdir,
  open,
  realpath,
  stat,
  type FileHandle,
} from 'node:fs/promises'
import { isAbsolute, join, relative } from 'node:path'

import type { VolumeMount } from '../../api/types.ts'
import { configError } from './errors.ts'
import { expandStrict } from './expansion.ts'
import { fileIdentity } from '../../linux/file-identity.ts'
import { isWithin } from '../../linux/is-within.ts'
import { errorCode, hasCode } from '../../util/error-code.ts'

/** open(2): a descriptor for the name alone, that needs no permission. Node has no name for it. */
const O_PATH = 0o10000000

/**
 * What a volumeMount's subPath or subPathExpr says, checked; undefined: the whole volume.
 * Must be relative and have no `..` (makeMounts, pkg/kubelet/kubelet_pods.go).
 */
export function mountSubPath(
  mount: VolumeMount,
  env: ReadonlyMap<string, string>,
): string | undefined {
  const { subPath, subPathExpr } = mount
  const given = subPathExpr ? expandSubPath(subPathExpr, env) : (subPath ?? '')
  if (given === '') return undefined
  if (isAbsolute(given)) {
    throw configError(`error SubPath \`${given}\` must not be an absolute path`)
  }
  if (given.split('/').includes('..')) {
    throw configError(
      `unable to provision SubPath \`${given}\`: must not contain '..'`,
    )
  }
  return given
}

function expandSubPath(
  expression: string,
  env: ReadonlyMap<string, string>,
): string {
  const expanded = expandStrict(expression, env)
  if ('value' in expanded) return expanded.value
  throw configError(`missing value for ${expanded.missing.join(', ')}`)
}

/** What a subPath names: a path without links, and which file or directory that is. */
export interface SubPathTarget {
  readonly path: string
  readonly identity: string
}

/**
 * The host path that a subPath names now, symbolic links resolved: for a managed volume the
 * file of the current timestamped directory, which later updates do not change
 * (docs/kubernetes.md#subpath). What is missing becomes a directory with the mode of the volume's
 * root; in a managed volume, where nobody writes, it gives undefined. Whatever links there are,
 * the result lies inside the volume (C143 to C146).
 *
 * Other containers write into the volume meanwhile, and could put a link in a directory's
 * place. So nothing is looked at or made by its path: each step opens a name, without following
 * it, in the directory that is open already (pkg/volume/util/subpath, doSafeOpen). Whoever
 * mounts the path has to compare what came to be mounted with `identity`.
 */
export async function resolveSubPath(
  volume: { readonly path: string; readonly readOnly: boolean },
  subPath: string,
): Promise<SubPathTarget | undefined> {
  if (!volume.readOnly) return await resolveInside(volume, subPath)
  // The first time, a new generation may have come between two steps.
  // Stryker disable next-line StringLiteral: they are only counted
  for (const _ of ['first', 'second'])
    try {
      return await resolveInside(volume, subPath)
    } catch (error) {
      if (!hasCode((error as Error).cause, 'ENOENT')) throw error
    }
  return undefined
}

async function resolveInside(
  volume: { readonly path: string; readonly readOnly: boolean },
  subPath: string,
): Promise<SubPathTarget> {
  const root = await realpath(volume.path)
  let inside = ''
  for (const name of subPath.split('/')) {
    // Stryker disable next-line ConditionalExpression,LogicalOperator,StringLiteral: they lead nowhere
    if (name === '' || name === '.') continue
    const next = join(inside, name)
    const { isLink } = await lookInside(root, next, subPath, !volume.readOnly)
    inside = isLink ? await targetInside(root, next, subPath) : next
  }
  const { identity } = await lookInside(root, inside, subPath, false)
  return { path: join(root, inside), identity }
}

/** Of a path below `root` in which only the last name may be a link. */
async function lookInside(
  root: string,
  path: string,
  subPath: string,
  make: boolean,
): Promise<{ readonly isLink: boolean; readonly identity: string }> {
  // Stryker disable next-line MethodExpression,ConditionalExpression,StringLiteral: it leads nowhere
  const names = path.split('/').filter(name => name !== '')
  const { mode } = await stat(root)
  let current = await open(root, O_PATH | constants.O_DIRECTORY)
  try {
    for (const [i, name] of names.entries()) {
      const child = `/proc/self/fd/${current.fd}/${name}`
      const isLast = i === names.length - 1
      const next = await openName(child).catch(async (error: unknown) => {
        if (make && isLast && hasCode(error, 'ENOENT')) {
          await makeDirectory(child, mode & 0o7777)
          return await openName(child)
        }
        throw unusable(subPath, error)
      })
      await current.close()
      current = next
    }
    const found = await current.stat({ bigint: true })
    return { isLink: found.isSymbolicLink(), identity: fileIdentity(found) }
  } finally {
    await current.close()
  }
}

/** Where a link leads, relative to the volume. */
async function targetInside(
  root: string,
  link: string,
  subPath: string,
): Promise<string> {
  const target = await realpath(join(root, link)).catch((error: unknown) => {
    throw configError(`subPath ${subPath}: cannot be resolved`, {
      cause: error,
    })
  })
  if (!isWithin(target, root)) {
    throw configError(`subPath ${subPath} leads outside of its volume`)
  }
  return relative(root, target)
}

/** The name itself, of whatever kind: nothing is followed, or waited for. */
export async function openName(path: string): Promise<FileHandle> {
  return await open(path, O_PATH | constants.O_NOFOLLOW)
}

async function makeDirectory(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    // Another container of the Pod was faster.
    if (hasCode(error, 'EEXIST')) return
    throw error
  }
  // Through a descriptor: the name may be somebody else's by now.
  const made = await open(
    path,
    constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW,
  )
  try {
    await made.chmod(mode)
  } finally {
    await made.close()
  }
}

function unusable(subPath: string, error: unknown): Error {
  const code = errorCode(error) ?? 'error'
  const reason = code === 'ENOENT' ? 'no such file or directory' : code
  return configError(`subPath ${subPath}: ${reason}`, { cause: error })
}

/**
 * An empty directory below `parent`, with the mode of the volume's root: what a kubelet makes in
 * the volume. Mounted read-only, one serves all.
 */
export async function emptyDirectory(
  volume: { readonly path: string },
  parent: string,
): Promise<string> {
  const mode = (await stat(volume.path)).mode & 0o7777
  const path = join(parent, mode.toString(8))
  await mkdir(path, { recursive: true })
  await chmod(path, mode)
  return path
}
