import { isEncryptedValue } from './sops-value.ts'

/** The rules of a file's `sops` section, by which its values were chosen. */
export interface SopsRules {
  readonly encryptedRegex?: string
  readonly unencryptedRegex?: string
  readonly encryptedSuffix?: string
  readonly unencryptedSuffix?: string
  /** By the comments before a value. */
  readonly byComment: boolean
}

/** Whether sops has encrypted the value at a path of keys (list indices are not among them). */
export type IsEncrypted = (path: readonly string[], text: string) => boolean

/** sops's default, when a file has no rule. */
const defaultUnencryptedSuffix = '_unencrypted'

/**
 * Which values of a file are encrypted (sops.go, shouldBeEncrypted). What hangs on comments, or
 * on a regular expression that only Go understands, is told by its look; the checksum over the
 * file says whether that was right.
 */
export function encryptionRule(rules: SopsRules): IsEncrypted {
  const byLook: IsEncrypted = (_path, text) => isEncryptedValue(text)
  if (rules.byComment) return byLook
  const { encryptedRegex, unencryptedRegex } = rules
  const { encryptedSuffix, unencryptedSuffix } = rules
  const source = encryptedRegex ?? unencryptedRegex
  if (source !== undefined) {
    const regex = asJavaScript(source)
    if (regex === undefined) return byLook
    const wanted = encryptedRegex !== undefined
    return path => path.some(key => regex.test(key)) === wanted
  }
  if (encryptedSuffix !== undefined)
    return path => path.some(key => key.endsWith(encryptedSuffix))
  const suffix = unencryptedSuffix ?? defaultUnencryptedSuffix
  return path => !path.some(key => key.endsWith(suffix))
}

/** Go's `(?i)` at the beginning is a flag; with `u`, what JavaScript would read otherwise is an error. */
function asJavaScript(source: string): RegExp | undefined {
  const [, flags = '', rest = ''] =
    /^(?:\(\?([ims]+)\))?(.*)$/s.exec(source) ?? []
  try {
    return new RegExp(rest, `u${flags}`)
  } catch {
    return undefined
  }
}
