import { join } from 'node:path'
import type { FileKind } from './host-view.ts'

/** What the walk asks about a path whose parents are resolved. */
export interface PathLookup {
  lstat(path: string): { readonly kind: FileKind } | undefined
  readlink(path: string): string
}

/** As many as the kernel follows. */
const maxSymlinks = 40

/**
 * The path with every symlink in it replaced, as seen from the root that `lookup` shows: an
 * absolute link starts again at that root, never at the host's. What does not exist is kept
 * as written.
 */
export function resolvePath(path: string, lookup: PathLookup): string {
  let symlinks = 0
  let resolved = '/'
  const rest = components(path)
  while (rest.length > 0) {
    const component = rest.shift() as string
    // `..` at the root is the root; join() knows.
    const next = join(resolved, component)
    if (component === '..' || lookup.lstat(next)?.kind !== 'symlink') {
      resolved = next
      continue
    }
    symlinks += 1
    if (symlinks > maxSymlinks) throw new Error(`${path}: too many symlinks`)
    const target = lookup.readlink(next)
    if (target.startsWith('/')) resolved = '/'
    rest.unshift(...components(target))
  }
  return resolved
}

function components(path: string): string[] {
  return path.split('/').filter(part => part !== '' && part !== '.')
}
