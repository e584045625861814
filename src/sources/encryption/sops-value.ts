import { isUtf8 } from 'node:buffer'
import { createDecipheriv } from 'node:crypto'

/** `ENC[AES256_GCM,data:...,iv:...,tag:...,type:str]`, sops's aes/cipher.go. */
const pattern =
  /^ENC\[AES256_GCM,data:([^,]+),iv:([^,]+),tag:([^,]+),type:([a-z]+)\]/

export interface SopsValue {
  readonly text: string
  /** As in the file before it was encrypted: str, int, float, bool, time, bytes, comment. */
  readonly type: string
}

export function isEncryptedValue(text: string): boolean {
  return pattern.test(text)
}

/**
 * Decrypts one value. `context` is what it is bound to: the path of keys to it, each followed
 * by a colon. Undefined when it is none, or the key or the context are not those it was
 * encrypted with.
 */
export function decryptValue(
  text: string,
  dataKey: Buffer,
  context: string,
): SopsValue | undefined {
  const parts = pattern.exec(text)
  if (parts === null) return undefined
  const [data, iv, tag] = parts
    .slice(1, 4)
    .map(part => Buffer.from(part, 'base64')) as [Buffer, Buffer, Buffer]
  try {
    // A tag of fewer bytes would be easier to forge.
    const cipher = createDecipheriv('aes-256-gcm', dataKey, iv, {
      authTagLength: 16,
    })
    cipher.setAAD(Buffer.from(context)).setAuthTag(tag)
    const plain = Buffer.concat([cipher.update(data), cipher.final()])
    if (!isUtf8(plain)) return undefined
    return { text: plain.toString(), type: parts[4] ?? '' }
  } catch {
    return undefined
  }
}
