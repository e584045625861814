import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

/** More than is wanted; it has not been read. */
export interface TooLarge {
  /** Undefined of what has no size, such as a pipe. */
  readonly size: number | undefined
}

/** No generator writes such a manifest; read and parsed, it would take gigabytes of memory. */
export const maxFileBytes = 32 * 1024 * 1024

/** What a person writes by hand, settings or keys, is never longer. */
export const maxSmallFileBytes = 1024 * 1024

/** All of a file, or of what comes through a pipe; at most so many bytes are read. */
export async function readBounded(
  path: string,
  maxBytes: number,
): Promise<Buffer | TooLarge> {
  const file = await open(path, constants.O_RDONLY)
  try {
    const found = await file.stat()
    if (!found.isFile()) return await readStream(chunksOf(file), maxBytes)
    if (found.size > maxBytes) return { size: found.size }
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** All that comes; what is more than so many bytes is not waited for. */
export async function readStream(
  stream: AsyncIterable<Buffer | string>,
  maxBytes: number,
): Promise<Buffer | TooLarge> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > maxBytes) return { size: undefined }
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}

async function* chunksOf(file: FileHandle): AsyncGenerator<Buffer> {
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(65_536))
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

/** What a person is told of it; `podfs mount` and `podfs validate` say the same. */
export function tooLargeWords({ size }: TooLarge, maxBytes: number): string {
  return size === undefined
    ? `not read: it has more than ${maxBytes} bytes`
    : `not read: the file has ${size} bytes, more than ${maxBytes}`
}
