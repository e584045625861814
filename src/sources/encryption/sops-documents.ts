import { createHash, type Hash } from 'node:crypto'
import { resolvePlainScalar } from '../../api/go-yaml-scalar.ts'
import type {
  YamlDocument,
  YamlMapping,
  YamlNode,
  YamlScalar,
} from '../../api/yaml/yaml-node.ts'
import { decryptAge } from './age-file.ts'
import type { AgeIdentities } from './age-identities.ts'
import { DecryptionError } from './decryption-error.ts'
import { entryOf, readMetadata, type SopsMetadata } from './sops-metadata.ts'
import { encryptionRule, type IsEncrypted } from './sops-rules.ts'
import { decryptValue, isEncryptedValue } from './sops-value.ts'

const sopsKey = 'sops'

/** sops.go, MACOnlyEncryptedInitialization. */
const macOnlyEncryptedStart = createHash('sha256').update('sops').digest()

/**
 * Decrypts in place what sops has encrypted of a file's documents, and takes the `sops` section
 * away; positions stay those of the file. Returns the values that were encrypted.
 *
 * One section, in the first document, is for the whole file; its mac covers all values of all
 * documents. It is checked before anything is believed. Throws a DecryptionError.
 */
export async function decryptDocuments(
  documents: readonly YamlDocument[],
  identities: AgeIdentities,
): Promise<ReadonlySet<string>> {
  const maps = documents
    .map(({ root }) => root)
    .filter(root => root.kind === 'mapping')
  const sections = maps.map(map => entryOf(map, sopsKey))
  if (sections.every(section => section === undefined)) {
    refuseLoneValues(maps)
    return new Set()
  }
  const [section] = sections
  if (section === undefined)
    throw new DecryptionError(
      'DECRYPTION_DAMAGED',
      'sops: stands in a later document, and not in the first one',
      { offset: sections.find(each => each !== undefined)?.offset ?? 0 },
    )
  const metadata = readMetadata(section.value, section.offset)
  const dataKey = await dataKeyOf(metadata, identities)
  const walk = new Walk(metadata, dataKey)
  for (const map of maps) {
    map.pairs = map.pairs.filter(({ key }) => textOf(key) !== sopsKey)
    walk.map(map, [])
  }
  walk.checkMac()
  return walk.decrypted
}

/** Half of a file, or a part that was copied out of one: it would be served as it stands. */
function refuseLoneValues(nodes: readonly YamlNode[]): void {
  for (const node of nodes) {
    if (node.kind === 'mapping')
      refuseLoneValues(node.pairs.map(({ value }) => value))
    else if (node.kind === 'sequence') refuseLoneValues(node.items)
    else if (isEncryptedValue(textOf(node)))
      throw new DecryptionError(
        'DECRYPTION_DAMAGED',
        'encrypted by sops, and the file has no sops section',
        { offset: node.offset },
      )
  }
}

async function dataKeyOf(
  metadata: SopsMetadata,
  identities: AgeIdentities,
): Promise<Buffer> {
  const { ageKeys, offset } = metadata
  const recipients = ageKeys.map(({ recipient }) => recipient)
  let failure: DecryptionError | undefined
  for (const { encrypted } of ageKeys) {
    try {
      const key = await decryptAge(
        Buffer.from(encrypted),
        identities,
        recipients,
      )
      if (key.length === 32) return key
      throw new DecryptionError(
        'DECRYPTION_DAMAGED',
        'the data key has no 256 bits',
      )
    } catch (error) {
      if (!(error instanceof DecryptionError)) throw error
      // One that may yet be opened says more than one that never can.
      if (failure?.code !== 'DECRYPTION_KEY_MISSING') failure = error
    }
  }
  throw (failure as DecryptionError).at(offset)
}

/** Decrypts values in the order of the file, and adds them up for the mac as sops does. */
class Walk {
  readonly decrypted = new Set<string>()
  readonly #metadata: SopsMetadata
  readonly #dataKey: Buffer
  readonly #isEncrypted: IsEncrypted
  readonly #hash: Hash

  constructor(metadata: SopsMetadata, dataKey: Buffer) {
    this.#metadata = metadata
    this.#dataKey = dataKey
    this.#isEncrypted = encryptionRule(metadata.rules)
    this.#hash = createHash('sha512')
    if (metadata.macOnlyEncrypted) this.#hash.update(macOnlyEncryptedStart)
  }

  map(map: YamlMapping, path: readonly string[]): void {
    for (const { key, value } of map.pairs) {
      this.#value(value, [...path, textOf(key)])
    }
  }

  checkMac(): void {
    const { mac, lastModified, offset } = this.#metadata
    const expected = decryptValue(mac, this.#dataKey, lastModified)
    if (expected?.text !== this.#hash.digest('hex').toUpperCase())
      throw new DecryptionError(
        'DECRYPTION_DAMAGED',
        'sops: the mac does not match: the file was changed without sops',
        { offset, fix: 'sops edit --ignore-mac FILE, if the change was meant' },
      )
  }

  /** False of what is only a comment. */
  #value(node: YamlNode, path: readonly string[]): boolean {
    switch (node.kind) {
      case 'mapping':
        this.map(node, path)
        return true
      case 'sequence':
        // sops makes an item of a comment in a list when it encrypts it.
        node.items = node.items.filter(item => this.#value(item, path))
        return true
      case 'scalar':
        return this.#scalar(node, path)
      case 'alias':
    }
    throw new DecryptionError(
      'DECRYPTION_DAMAGED',
      'an alias, which sops does not write: the file was changed without sops',
      { offset: node.offset },
    )
  }

  #scalar(scalar: YamlScalar, path: readonly string[]): boolean {
    const { text } = scalar
    const plain = plainText(scalar)
    // Of null and of nothing sops encrypts nothing.
    if (plain === '') return true
    if (!this.#isEncrypted(path, text)) {
      if (!this.#metadata.macOnlyEncrypted) this.#hash.update(plain)
      return true
    }
    const context = path.map(key => `${key}:`).join('')
    const found = decryptValue(text, this.#dataKey, context)
    if (found === undefined)
      throw new DecryptionError(
        'DECRYPTION_DAMAGED',
        isEncryptedValue(text)
          ? 'cannot be decrypted: it was changed, or comes from another place or file'
          : 'not encrypted, though by the rule of the sops section it has to be',
        { offset: scalar.offset, fieldPath: path.join('.') },
      )
    if (found.type === 'comment') return false
    this.#hash.update(found.text)
    this.decrypted.add(found.text)
    const isText = !['int', 'float', 'bool'].includes(found.type)
    scalar.text = isText ? found.text : found.text.toLowerCase()
    scalar.plain = !isText
    scalar.tag = undefined
    return true
  }
}

function textOf(node: YamlNode): string {
  return node.kind === 'scalar' ? node.text : ''
}

/** What sops takes of a value for the mac (sops.go, ToBytes); of null nothing. */
function plainText({ text, plain, tag }: YamlScalar): string {
  if (!plain || tag !== undefined) return text
  // go-yaml v3 reads yes and no as texts, unlike the v2 of kubectl.
  if (/^(yes|no|on|off|y|n)$/i.test(text)) return text
  const value = resolvePlainScalar(text)
  if (value === null) return ''
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  // Whole numbers stand there as sops has written them, and may have more than 53 bits.
  if (typeof value !== 'number' || /^-?[0-9]+$/.test(text)) return text
  return withoutExponent(value)
}

/** Go's FormatFloat(value, 'f', -1, 64). */
function withoutExponent(value: number): string {
  const parts = /^(-?)(\d)\.?(\d*)e([-+]\d+)$/.exec(value.toExponential())
  if (parts === null) return String(value)
  const [, sign = '', first = '', rest = '', power = '0'] = parts
  const point = Number(power) + 1
  const digits = first + rest
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  const whole = digits.slice(0, point).padEnd(point, '0')
  return sign + whole + (digits.length > point ? `.${digits.slice(point)}` : '')
}
