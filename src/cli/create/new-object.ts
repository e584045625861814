import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { goQuote } from '../../api/go-quote.ts'
import { validConfigKey } from '../../api/validation/names.ts'
import { Failure } from '../../util/failure.ts'
import { goJson } from './go-json.ts'
import { goYaml, type StringTree } from './go-yaml.ts'

export const formats = ['yaml', 'json', 'name'] as const
export type Format = (typeof formats)[number]

export const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

export interface Identity {
  readonly name: string
  /** Only where one was asked for; then it stands in the manifest. */
  readonly namespace: string | undefined
}

/** A ConfigMap or Secret in the making; keys are checked in kubectl's words. */
export abstract class NewObject {
  abstract readonly kind: 'ConfigMap' | 'Secret'
  readonly data = new Map<string, Uint8Array>()
  readonly namespace: string | undefined
  name: string
  #lastApplied: string | undefined

  constructor({ name, namespace }: Identity) {
    this.name = name
    this.namespace = namespace
  }

  /** Throws a Failure for a key that is not one, or is there already. */
  add(key: string, value: Uint8Array): void {
    const problems = validConfigKey(key)
    if (problems.length > 0)
      throw new Failure('usage', this.invalidKey(key, problems))
    if (this.data.has(key)) throw new Failure('usage', this.duplicateKey(key))
    this.data.set(key, value)
  }

  protected abstract invalidKey(
    key: string,
    problems: readonly string[],
  ): string
  protected abstract duplicateKey(key: string): string
  /** What a source that is not `key=value` is called: it may be a Secret's value. */
  abstract showLiteral(source: string, position: number): string
  /** The fields after metadata, in the order of the Go struct. */
  protected abstract fields(): [string, string | StringTree][]
  /** What the hash is made of, in the order of its keys. */
  protected abstract hashed(): [string, string | StringTree][]

  /** Appends the hash that kubectl and kustomize give: pkg/util/hash/hash.go. */
  appendHash(): void {
    const digest = createHash('sha256')
      .update(goJson(new Map(this.hashed())))
      .digest('hex')
    this.name += `-${withoutVowels(digest.slice(0, 10))}`
  }

  /** The annotation that `kubectl apply` compares with later. */
  saveConfig(): void {
    this.#lastApplied = `${goJson(this.tree())}\n`
  }

  /** The manifest, its fields in the order of the Go struct. */
  tree(): StringTree {
    const metadata = new Map<string, string | StringTree>([['name', this.name]])
    if (this.namespace !== undefined) metadata.set('namespace', this.namespace)
    if (this.#lastApplied !== undefined)
      metadata.set('annotations', new Map([[lastApplied, this.#lastApplied]]))
    return new Map<string, string | StringTree>([
      ['kind', this.kind],
      ['apiVersion', 'v1'],
      ['metadata', metadata],
      ...this.fields().filter(([, value]) =>
        typeof value === 'string' ? value !== '' : value.size > 0,
      ),
    ])
  }

  /** What `kubectl create --dry-run=client -o FORMAT` prints. */
  print(format: Format): string {
    switch (format) {
      case 'yaml':
        return goYaml(this.tree())
      case 'json':
        return `${goJson(this.tree(), '    ')}\n`
      case 'name':
    }
    return `${this.kind.toLowerCase()}/${this.name}\n`
  }

  /** Some of the data, in the order of Go's maps in JSON. */
  protected some(
    wanted: (value: Uint8Array) => boolean,
    text: (value: Uint8Array) => string,
  ): StringTree {
    return new Map(
      [...this.data]
        .filter(([, value]) => wanted(value))
        .map(([key, value]) => [key, text(value)] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    )
  }
}

export class NewConfigMap extends NewObject {
  readonly kind = 'ConfigMap'

  protected invalidKey(key: string, problems: readonly string[]): string {
    return `${goQuote(key)} is not a valid key name for a ConfigMap: ${problems.join(',')}`
  }

  protected duplicateKey(key: string): string {
    const place = isUtf8(this.data.get(key) ?? Buffer.of())
      ? 'Data'
      : 'BinaryData'
    return `cannot add key ${goQuote(key)}, another key by that name already exists in ${place} for ConfigMap ${goQuote(this.name)}`
  }

  showLiteral(source: string): string {
    return source
  }

  protected fields(): [string, StringTree][] {
    return [
      ['data', this.#text()],
      ['binaryData', this.#binary()],
    ]
  }

  protected hashed(): [string, string | StringTree][] {
    const binaryData = this.#binary()
    return [
      ...(binaryData.size > 0
        ? [['binaryData', binaryData] as [string, StringTree]]
        : []),
      ['data', this.#text()],
      ['kind', this.kind],
      ['name', this.name],
    ]
  }

  #text(): StringTree {
    return this.some(isUtf8, value => Buffer.from(value).toString('utf8'))
  }

  #binary(): StringTree {
    return this.some(value => !isUtf8(value), base64)
  }
}

export class NewSecret extends NewObject {
  readonly kind = 'Secret'
  readonly #type: string

  constructor(identity: Identity, type: string) {
    super(identity)
    this.#type = type
  }

  protected invalidKey(key: string, problems: readonly string[]): string {
    return `${goQuote(key)} is not valid key name for a Secret ${problems.join(';')}`
  }

  protected duplicateKey(key: string): string {
    return `cannot add key ${key}, another key by that name already exists`
  }

  showLiteral(_source: string, position: number): string {
    return `number ${position}`
  }

  protected fields(): [string, string | StringTree][] {
    return [
      ['data', this.#base64()],
      ['type', this.#type],
    ]
  }

  protected hashed(): [string, string | StringTree][] {
    return [
      ['data', this.#base64()],
      ['kind', this.kind],
      ['name', this.name],
      ['type', this.#type],
    ]
  }

  #base64(): StringTree {
    return this.some(() => true, base64)
  }
}

function base64(value: Uint8Array): string {
  return Buffer.from(value).toString('base64')
}

const consonants: Readonly<Record<string, string>> = {
  0: 'g',
  1: 'h',
  3: 'k',
  a: 'm',
  e: 't',
}

/** So that no hash is a word. */
function withoutVowels(hex: string): string {
  return hex.replace(/[013ae]/g, digit => consonants[digit] ?? digit)
}
