import { isUtf8 } from 'node:buffer'
import { toUSVString } from 'node:util'

/**
 * The text of a manifest file: UTF-8, or UTF-16 where a byte order mark says so, as PowerShell
 * writes it and kubectl reads it. Undefined when it is neither.
 */
export function textOf(bytes: Buffer): string | undefined {
  const mark = bytes.subarray(0, 2).toString('latin1')
  if (mark === '\xFF\xFE') return utf16(bytes)
  if (mark === '\xFE\xFF')
    return utf16(Buffer.from(bytes.subarray(0, bytes.length & ~1)).swap16())
  return isUtf8(bytes) ? bytes.toString() : undefined
}

function utf16(bytes: Buffer): string {
  return toUSVString(bytes.toString('utf16le', 2))
}
