/**
 * Step 1 of the AtomicWriter: which paths a volume may hold (kubernetes
 * pkg/volume/util/atomic_writer.go, validatePath and validatePayload).
 */
import { posix } from 'node:path'
import { PayloadError } from './errors.ts'
import type { FileProjection, Payload } from './payload.ts'

/** In bytes, as the kernel counts: PATH_MAX and NAME_MAX. */
const MAX_PATH_LENGTH = 4096
const MAX_FILE_NAME_LENGTH = 255

/** A payload whose keys are valid and lexically clean, none of them below another. */
export type CleanPayload = ReadonlyMap<string, FileProjection>

/**
 * Validates and cleans every key, or throws a PayloadError for the first bad one. Of two
 * keys that clean to the same path the later one counts.
 */
export function cleanPayload(payload: Payload): CleanPayload {
  const clean = new Map<string, FileProjection>()
  for (const [path, file] of payload) {
    validatePath(path)
    clean.set(cleanPath(path), file)
  }
  // The kubelet finds this out only when it makes the files, as EISDIR or ENOTDIR.
  for (const path of clean.keys())
    for (const parent of parentsOf(path))
      if (clean.has(parent))
        throw new PayloadError(
          'PAYLOAD_PATH_CONFLICT',
          path,
          `invalid path: ${path}: ${parent} is a file`,
        )
  return clean
}

/** Throws a PayloadError, in the kubelet's words, unless the path may stand in a payload. */
export function validatePath(path: string): void {
  const refuse = (code: PayloadError['code'], reason: string) => {
    throw new PayloadError(code, path, `invalid path: ${reason}`)
  }
  if (path === '') refuse('PAYLOAD_EMPTY_PATH', 'must not be empty: ""')
  if (path.startsWith('/'))
    refuse('PAYLOAD_ABSOLUTE_PATH', `must be relative path: ${path}`)
  if (Buffer.byteLength(path) > MAX_PATH_LENGTH)
    refuse(
      'PAYLOAD_PATH_TOO_LONG',
      `must be less than or equal to ${MAX_PATH_LENGTH} characters`,
    )
  const items = path.split('/')
  if (items.includes('..'))
    refuse('PAYLOAD_BACKSTEP', `must not contain '..': ${path}`)
  if (items.some(item => Buffer.byteLength(item) > MAX_FILE_NAME_LENGTH))
    refuse(
      'PAYLOAD_NAME_TOO_LONG',
      `filenames must be less than or equal to ${MAX_FILE_NAME_LENGTH} characters`,
    )
  if (path.includes('\0'))
    refuse('PAYLOAD_NUL_BYTE', 'must not contain a NUL byte')
  // The kubelet looks at the first component before cleaning, so `./..data` slips through
  // there. The rule protects the writer's own names, so it holds for the clean path here.
  const clean = cleanPath(path)
  if (clean === '.') refuse('PAYLOAD_EMPTY_PATH', `must name a file: ${path}`)
  if (clean.startsWith('..'))
    refuse('PAYLOAD_RESERVED_NAME', `must not start with '..': ${path}`)
}

/** Go's path.Clean: `a//b/./c/` is `a/b/c`. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(path)
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean
}

/** `a/b/c`: `a`, `a/b`. */
export function parentsOf(path: string): string[] {
  const parents: string[] = []
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1))
    parents.push(path.slice(0, at))
  return parents
}

/** The first component: the name of the link that makes the path visible. */
export function userVisibleName(path: string): string {
  const at = path.indexOf('/')
  return at === -1 ? path : path.slice(0, at)
}
