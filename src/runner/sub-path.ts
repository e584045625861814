import { chmod, lstat, mkdir, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join, sep } from 'node:path'

import type { VolumeMount } from '../api/types.ts'
import { configError } from './errors.ts'
import { expandStrict } from './expansion.ts'

/**
 * What a volumeMount's subPath or subPathExpr says, checked; undefined: the whole volume.
 * Must be relative and have no `..` (pkg/kubelet/kubelet_pods.go:320; kubernetes.md 3.5).
 */
export function mountSubPath(
  mount: VolumeMount,
  env: ReadonlyMap<string, string>,
): string | undefined {
  const { subPath, subPathExpr } = mount
  const given = subPathExpr
    ? { text: expandSubPath(subPathExpr, env), field: 'subPathExpr' }
    : { text: subPath ?? '', field: 'subPath' }
  if (given.text === '') return undefined
  if (isAbsolute(given.text)) {
    throw configError(
      `error SubPath \`${given.text}\` must not be an absolute path`,
    )
  }
  if (given.text.split('/').includes('..')) {
    throw configError(
      `unable to provision SubPath \`${given.text}\`: must not contain '..'`,
    )
  }
  return given.text
}

function expandSubPath(
  expression: string,
  env: ReadonlyMap<string, string>,
): string {
  const expanded = expandStrict(expression, env)
  if ('value' in expanded) return expanded.value
  throw configError(`missing value for ${expanded.missing.join(', ')}`)
}

/**
 * The host path that a subPath names now, symbolic links resolved: for a managed volume the
 * file of the current timestamped directory, which later updates do not change (kubernetes.md
 * 3.11). What is missing becomes a directory with the mode of the volume's root, unless the
 * volume is managed. Whatever links there are, the result lies inside the volume (C143 to
 * C146).
 */
export async function resolveSubPath(
  volume: { readonly path: string; readonly readOnly: boolean },
  subPath: string,
): Promise<string> {
  const root = await realpath(volume.path)
  const { mode } = await stat(root)
  let current = root
  for (const name of subPath.split('/')) {
    if (name === '' || name === '.') continue
    const next = join(current, name)
    if (!(await exists(next))) {
      if (volume.readOnly) {
        throw configError(`subPath ${subPath}: no such file or directory`)
      }
      await makeDirectory(next, mode & 0o7777)
    }
    // Step by step, so that nothing is ever made behind a link that leads outside.
    current = await resolveInside(root, next, subPath)
  }
  return current
}

async function resolveInside(
  root: string,
  path: string,
  subPath: string,
): Promise<string> {
  let resolved: string
  try {
    resolved = await realpath(path)
  } catch (error) {
    throw configError(`subPath ${subPath}: cannot be resolved`, {
      cause: error,
    })
  }
  if (resolved !== root && !resolved.startsWith(root + sep)) {
    throw configError(`subPath ${subPath} leads outside of its volume`)
  }
  return resolved
}

/** Of the link itself: one that dangles exists, and is refused afterwards. */
async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return false
    const reason = code ?? 'error'
    throw configError(`subPath: ${path}: ${reason}`, { cause: error })
  }
}

async function makeDirectory(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path)
    await chmod(path, mode)
  } catch (error) {
    // Another container of the Pod was faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
