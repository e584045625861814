/**
 * Names and keys, in the API server's words.
 * Source: staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go (v1.34). Each
 * function gives what is wrong, or nothing.
 */
const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomain = String.raw`${label}(\.${label})*`
const qualifiedName = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const labelValue = `(${qualifiedName})?`
const envName = '[-._a-zA-Z][-._a-zA-Z0-9]*'
const configKey = '[-._a-zA-Z0-9]+'

export function dns1123Subdomain(value: string): string[] {
  return [
    ...maxLength(value, 253),
    ...pattern(
      value,
      subdomain,
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
      ['example.com'],
    ),
  ]
}

/** A name that would do in the place of one that does not; undefined if nothing is left. */
export function nameLike(value: string): string | undefined {
  const name = value
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
  return name === '' || name === value || name.length > 63
    ? undefined
    : `write ${name}, for example`
}

const underscoreLabel = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?'

/** A DNS search path. */
export function dns1123SubdomainWithUnderscore(value: string): string[] {
  return [
    ...maxLength(value, 253),
    ...pattern(
      value,
      String.raw`${underscoreLabel}(\.${underscoreLabel})*`,
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
      ['example.com'],
    ),
  ]
}

export function dns1123Label(value: string): string[] {
  const tooLong = maxLength(value, 63)
  if (matches(value, label)) return tooLong
  if (matches(value, subdomain)) return [...tooLong, 'must not contain dots']
  return [
    ...tooLong,
    ...pattern(
      value,
      label,
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
      ['my-name', '123-abc'],
    ),
  ]
}

/** The name of a Service: a host name of old. */
export function dns1035Label(value: string): string[] {
  return [
    ...maxLength(value, 63),
    ...pattern(
      value,
      '[a-z]([-a-z0-9]*[a-z0-9])?',
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
      ['my-name', 'abc-123'],
    ),
  ]
}

const qualifiedWords =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
const qualifiedExamples = ['MyName', 'my.name', '123-abc']

/** The key of a label or an annotation: `name` or `prefix/name`. */
export function qualifiedKey(value: string): string[] {
  const parts = value.split('/')
  const name = parts.at(-1) ?? ''
  const wrong: string[] = []
  if (parts.length > 2) {
    return [
      `a qualified name ${withExamples(qualifiedWords, qualifiedName, qualifiedExamples)} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  }
  if (parts.length === 2) {
    const prefix = parts[0] ?? ''
    const problems =
      prefix === '' ? ['must be non-empty'] : dns1123Subdomain(prefix)
    wrong.push(...problems.map(problem => `prefix part ${problem}`))
  }
  if (name === '') wrong.push('name part must be non-empty')
  wrong.push(
    ...[
      ...maxLength(name, 63),
      ...pattern(name, qualifiedName, qualifiedWords, qualifiedExamples),
    ].map(problem => `name part ${problem}`),
  )
  return wrong
}

export function validLabelValue(value: string): string[] {
  return [
    ...maxLength(value, 63),
    ...pattern(
      value,
      labelValue,
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      ['MyValue', 'my_value', '12345'],
    ),
  ]
}

/** A key of an env file: IsEnvVarName, which v1.34 asks nowhere else. */
export function validEnvFileKey(value: string): string[] {
  return [
    ...pattern(
      value,
      envName,
      "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
      ['my.env-name', 'MY_ENV.NAME', 'MyEnvName1'],
    ),
    ...noParentDirectory(value),
  ]
}

/** A key of a ConfigMap or Secret; it becomes a file name. */
export function validConfigKey(value: string): string[] {
  return [
    ...maxLength(value, 253),
    ...pattern(
      value,
      configKey,
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
      ['key.name', 'KEY_NAME', 'key-name'],
    ),
    ...noParentDirectory(value),
  ]
}

/** Since v1.34 nearly anything is a name of an environment variable. */
export function validEnvName(value: string): string[] {
  return /^[\x20-\x3c\x3e-\x7e]*$/.test(value)
    ? []
    : [
        "a valid environment variable name must consist only of printable ASCII characters other than '='",
      ]
}

/** hasChDirPrefix. */
function noParentDirectory(value: string): string[] {
  if (value === '.') return ["must not be '.'"]
  if (value === '..') return ["must not be '..'"]
  return value.startsWith('..') ? ["must not start with '..'"] : []
}

/** IsValidPortName: a service name of RFC 6335. */
export function validPortName(value: string): string[] {
  const wrong = maxLength(value, 15)
  if (!/^[-a-z0-9]+$/.test(value)) {
    wrong.push(
      'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
    )
  }
  if (!/[a-z]/.test(value)) {
    wrong.push('must contain at least one letter (a-z)')
  }
  if (value.includes('--')) wrong.push('must not contain consecutive hyphens')
  if (value.startsWith('-') || value.endsWith('-')) {
    wrong.push('must not begin or end with a hyphen')
  }
  return wrong
}

export function validPortNumber(value: number): string[] {
  return inRange(value, 1, 65_535)
}

/** What a user or group id may be; also a number of seconds. */
export function inRange(value: number, from: number, to: number): string[] {
  return value < from || value > to
    ? [`must be between ${from} and ${to}, inclusive`]
    : []
}

export function validHeaderName(value: string): string[] {
  return pattern(
    value,
    '[-A-Za-z0-9]+',
    "a valid HTTP header must consist of alphanumeric characters or '-'",
    ['X-Header-Name'],
  )
}

function matches(value: string, format: string): boolean {
  return new RegExp(`^(${format})$`).test(value)
}

function maxLength(value: string, length: number): string[] {
  return Buffer.byteLength(value) > length
    ? [`must be no more than ${length} characters`]
    : []
}

function pattern(
  value: string,
  format: string,
  words: string,
  examples: readonly string[],
): string[] {
  return matches(value, format) ? [] : [withExamples(words, format, examples)]
}

/** RegexError, whose two blanks before `or` are its own. */
function withExamples(
  words: string,
  format: string,
  examples: readonly string[],
): string {
  const list = examples.map(each => `'${each}', `).join(' or ')
  return `${words} (e.g. ${list}regex used for validation is '${format}')`
}
