import type { YamlMapping, YamlNode } from '../../api/yaml/yaml-node.ts'
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
export function readMetadata(section: YamlNode, offset: number): SopsMetadata {
  if (section.kind !== 'mapping')
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

function ageKeysIn(
  section: YamlMapping,
  offset: number,
): SopsMetadata['ageKeys'] {
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

function rulesIn(section: YamlMapping): SopsRules {
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
  map: YamlMapping,
  name: string,
): { readonly value: YamlNode; readonly offset: number } | undefined {
  const pair = map.pairs.find(
    ({ key }) => key.kind === 'scalar' && key.text === name,
  )
  return pair && { value: pair.value, offset: pair.key.offset }
}

function textIn(map: YamlMapping, name: string): string | undefined {
  const value = entryOf(map, name)?.value
  return value?.kind === 'scalar' ? value.text : undefined
}

function mapsIn(map: YamlMapping, name: string): readonly YamlMapping[] {
  const value = entryOf(map, name)?.value
  return value?.kind === 'sequence'
    ? value.items.filter(item => item.kind === 'mapping')
    : []
}
