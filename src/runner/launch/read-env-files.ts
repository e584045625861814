import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'

import { goQuote } from '../../api/go-quote.ts'
import type { Container, FileKeySelector } from '../../api/types.ts'
import { fileIdentity } from '../../linux/file-identity.ts'
import { envFileValue } from './env-file-value.ts'
import type { EnvironmentSources, VariableBytes } from './environment.ts'
import { configError } from './errors.ts'
import { openName, resolveSubPath } from './sub-path.ts'

/** As much as a ConfigMap may hold. Whoever writes the file must not fill podfs's memory. */
const maxFileBytes = 1_048_576

/**
 * Reads the files from which a container's variables come, each once (makeEnvironmentVariables,
 * pkg/kubelet/kubelet_pods.go); `volumes` are those that some container mounts. What is wrong
 * with one is told when a variable is asked for. No message has anything of a file in it.
 */
export async function readEnvFiles(
  { env }: Container,
  volumes: ReadonlyMap<string, { readonly path: string }>,
): Promise<EnvironmentSources['fileKey']> {
  const files = new Map<string, string | Error>()
  for (const { valueFrom } of env) {
    const ref = valueFrom?.fileKeyRef
    const volume = ref && volumes.get(ref.volumeName)
    if (ref === undefined || volume === undefined) continue
    const path = join(volume.path, ref.path)
    if (files.has(path)) continue
    const text = await readInside(volume.path, ref.path).catch(
      (error: Error) =>
        new Error(
          `failed to open environment variable file ${goQuote(path)}: ${error.message}`,
        ),
    )
    files.set(path, text)
  }
  return ref => {
    const volume = volumes.get(ref.volumeName)
    return fileKey(ref, volume && join(volume.path, ref.path), files)
  }
}

function fileKey(
  { volumeName, path, key, optional }: FileKeySelector,
  file: string | undefined,
  files: ReadonlyMap<string, string | Error>,
): VariableBytes | undefined {
  const text = file && files.get(file)
  if (file === undefined || text === undefined) {
    const volume = goQuote(volumeName)
    throw configError(
      `cannot find the volume ${volume} referenced by FileKeyRef`,
    )
  }
  // Of a file that is not there optional says nothing.
  if (text instanceof Error) throw unparsable(text)
  const value = valueIn(text, key, file)
  if (value !== '')
    return {
      bytes: Buffer.from(value, 'latin1'),
      origin: `key ${key} of file ${path} in volume ${volumeName}`,
    }
  if (optional) return undefined
  throw configError(
    `environment variable key ${goQuote(key)} not found in file ${goQuote(file)}`,
  )
}

function valueIn(text: string, key: string, file: string): string {
  try {
    return envFileValue(text, key)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw unparsable(
      new Error(`${goQuote(file)}: ${error.message}`, { cause: error }),
    )
  }
}

/** A kubelet's status ends at the colon, and its log has the rest. */
function unparsable(cause: Error): Error {
  return configError(`couldn't parse env file: ${cause.message}`, { cause })
}

/**
 * A file below `root`, with a letter for each byte. Other containers write there: no link leads
 * out, and no FIFO or device is opened.
 */
async function readInside(root: string, path: string): Promise<string> {
  const target = await resolveSubPath({ path: root, readOnly: true }, path)
  if (target === undefined) throw new Error('no such file or directory')
  const name = await openName(target.path)
  try {
    const found = await name.stat({ bigint: true })
    if (!found.isFile() || fileIdentity(found) !== target.identity)
      throw new Error('not a regular file')
    const file = await open(`/proc/self/fd/${name.fd}`, constants.O_RDONLY)
    try {
      const bytes = Buffer.alloc(maxFileBytes + 1)
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
      if (bytesRead > maxFileBytes)
        throw new Error(`more than ${maxFileBytes} bytes`)
      return bytes.toString('latin1', 0, bytesRead)
    } finally {
      await file.close()
    }
  } finally {
    await name.close()
  }
}
