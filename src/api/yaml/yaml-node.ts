/**
 * The tree of a YAML document. Offsets are those of the whole text of the file, in UTF-16
 * units; those of a node stand where it begins, its anchor and tag included.
 *
 * What is not `readonly` is changed when values are decrypted in place.
 */
export type YamlNode = YamlScalar | YamlSequence | YamlMapping | YamlAlias

export interface YamlScalar {
  readonly kind: 'scalar'
  readonly offset: number
  text: string
  /** Neither quotes nor a tag say that it is a string. */
  plain: boolean
  /** In full: `tag:yaml.org,2002:int`. */
  tag: string | undefined
}

export interface YamlSequence {
  readonly kind: 'sequence'
  readonly offset: number
  items: YamlNode[]
  /** How many values are in it, at all depths. */
  size: number
}

export interface YamlMapping {
  readonly kind: 'mapping'
  readonly offset: number
  pairs: YamlPair[]
  size: number
}

export interface YamlPair {
  readonly key: YamlNode
  readonly value: YamlNode
}

export interface YamlAlias {
  readonly kind: 'alias'
  readonly offset: number
  /** One of the same document; with an anchor that contains itself, a parent. */
  readonly target: YamlNode
}

export interface YamlDocument {
  /** Where its content begins. */
  readonly offset: number
  readonly root: YamlNode
}

/** What cannot be read, and where. No text of the file is in the message. */
export class YamlError extends Error {
  readonly offset: number
  readonly fix: string | undefined

  constructor(offset: number, message: string, fix?: string) {
    super(message)
    this.name = 'YamlError'
    this.offset = offset
    this.fix = fix
  }
}

/** What is no YAML at all, to go-yaml; the words after the colon are its own. */
export class YamlSyntaxError extends YamlError {
  constructor(offset: number, problem: string, fix?: string) {
    super(offset, `not YAML: ${problem}`, fix)
  }
}
