import { isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml'
import { DecryptionError } from './decryption-error.ts'
import type { SopsRules } from './sops-rules.ts'

/** What the `sops` section of a file says. */
export interface SopsMetadata {
  /** Each has the same data key, encrypted for one recipient. */
  readonly ageKeys: readonly {
    readonly recipient: string
    readonly encrypted: string
  }[]
  readonly rules: SopsRules
  readonly macOnlyEncrypted: boolean
  readonly mac: string
  readonly lastModified: string
  /** Where it begins. */
  readonly offset: number
}

/** The kinds of keys that sops has beside age. */
const otherKeys: Readonly<Record<string, string>> = {
  pgp: 'PGP',
  kms: 'AWS KMS',
  gcp_kms: 'GCP KMS',
  azure_kv: 'Azure Key Vault',
  hc_vault: 'Vault',
  hckms: 'HuaweiCloud KMS',
}

/** Reads a `sops` section (stores/stores.go). Throws a DecryptionError. */
export function readMetadata(
  section: Node | null,
  offset: number,
): SopsMetadata {
  if (!isMap(section))
    throw new DecryptionError('DECRYPTION_DAMAGED', 'sops: must be a mapping', {
      offset,
    })
  const mac = textIn(section, 'mac')
  const lastModified = textIn(section, 'lastmodified')
  if (mac === undefined || lastModified === undefined)
    throw new DecryptionError(
      'DECRYPTION_DAMAGED',
      `sops: has no ${mac === undefined ? 'mac' : 'lastmodified'}`,
      { offset },
    )
  return {
    ageKeys: ageKeysIn(section, offset),
    rules: rulesIn(section),
    macOnlyEncrypted: textIn(section, 'mac_only_encrypted') === 'true',
    mac,
    lastModified,
    offset,
  }
}

function ageKeysIn(section: YAMLMap, offset: number): SopsMetadata['ageKeys'] {
  const groups = mapsIn(section, 'key_groups')
  const kinds = ['age', ...Object.keys(otherKeys)]
  const isFlat = kinds.some(kind => mapsIn(section, kind).length > 0)
  if (!isFlat && groups.length > 1)
    throw new DecryptionError(
      'DECRYPTION_KEY_UNSUPPORTED',
      'sops: the key is divided among several key groups, which podfs cannot put together',
      { offset },
    )
  const group = isFlat ? section : (groups[0] ?? section)
  const keys = mapsIn(group, 'age').map(key => ({
    recipient: textIn(key, 'recipient') ?? '?',
    encrypted: textIn(key, 'enc') ?? '',
  }))
  if (keys.length > 0) return keys
  const others = Object.entries(otherKeys)
    .filter(([kind]) => mapsIn(group, kind).length > 0)
    .map(([, name]) => name)
  throw new DecryptionError(
    'DECRYPTION_KEY_UNSUPPORTED',
    others.length === 0
      ? 'sops: it has no keys'
      : `sops: encrypted for ${others.join(' and ')} only; podfs decrypts with age keys`,
    {
      offset,
      ...(others.length > 0 && {
        fix: 'sops rotate -i --add-age RECIPIENT FILE',
      }),
    },
  )
}

function rulesIn(section: YAMLMap): SopsRules {
  const optional = (name: string) => textIn(section, name) || undefined
  const given = {
    encryptedRegex: optional('encrypted_regex'),
    unencryptedRegex: optional('unencrypted_regex'),
    encryptedSuffix: optional('encrypted_suffix'),
    unencryptedSuffix: optional('unencrypted_suffix'),
  }
  return {
    ...Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    ),
    byComment:
      optional('encrypted_comment_regex') !== undefined ||
      optional('unencrypted_comment_regex') !== undefined,
  }
}

/** What stands under a key, with the place of the key. */
export function entryOf(
  map: YAMLMap,
  name: string,
): { readonly value: Node | null; readonly offset: number } | undefined {
  const pair = map.items.find(({ key }) => isScalar(key) && key.value === name)
  if (pair === undefined) return undefined
  return {
    value: pair.value as Node | null,
    offset: (pair.key as Node).range?.[0] ?? 0,
  }
}

function textIn(map: YAMLMap, name: string): string | undefined {
  const value = entryOf(map, name)?.value
  return isScalar(value) && typeof value.value === 'string'
    ? value.value
    : undefined
}

function mapsIn(map: YAMLMap, name: string): readonly YAMLMap[] {
  const value = entryOf(map, name)?.value
  return isSeq(value) ? value.items.filter(item => isMap(item)) : []
}
