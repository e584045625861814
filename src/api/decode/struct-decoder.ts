import { nearest } from '../../util/edit-distance.ts'
import { required, unsupported } from '../field-errors.ts'
import type { FieldSpec, FieldType, StructSpec } from '../schema/struct.ts'
import { describeType, isMapping, type Value } from '../value.ts'
import { decodeBase64 } from './base64.ts'
import type { FindingList } from './finding-list.ts'

/** What a struct becomes: an object with only known keys, defaults filled in. */
export type Decoded = Record<string, unknown>

interface Context {
  readonly findings: FindingList
  /** False inside a field that is ignored as a whole: one line for it is enough. */
  readonly tell: boolean
}

/**
 * Walks a value along the table of its struct: refuses unknown fields and wrong types, tells
 * of fields that podfs does not do, and fills in defaults. As in Go, an empty string, list
 * or map is the same as none.
 *
 * The result has the shape of the interface of the same name in ../types.ts: the tables are
 * written so.
 */
export function decodeStruct(
  spec: StructSpec,
  value: Value,
  path: string,
  findings: FindingList,
): Decoded {
  return walkStruct(spec, value, path, { findings, tell: true }) ?? {}
}

function walkStruct(
  spec: StructSpec,
  value: Value,
  path: string,
  context: Context,
): Decoded | undefined {
  // Go's JSON: null leaves a struct as it is.
  const mapping = value ?? new Map<string, Value>()
  if (!isMapping(mapping)) {
    context.findings.refuse(path, wrongType('a mapping', value))
    return undefined
  }
  const decoded: Decoded = {}
  for (const [key, fieldValue] of mapping) {
    const fieldPath = path === '' ? key : `${path}.${key}`
    const field = Object.hasOwn(spec.fields, key) ? spec.fields[key] : undefined
    if (field === undefined) {
      refuseUnknown(spec, key, fieldPath, context.findings)
    } else {
      const result = walkField(field, fieldValue, fieldPath, context)
      if (result !== undefined) decoded[key] = result
    }
  }
  fillIn(spec, decoded, path, context)
  return decoded
}

function walkField(
  field: FieldSpec,
  value: Value,
  path: string,
  context: Context,
): unknown {
  if (value === null) return undefined
  if (context.tell) noteUse(field, value, path, context.findings)
  if (field.treatment === 'rejected') {
    context.findings.refuse(path, field.reason ?? '')
    // The API server would find unknown and mistyped fields in it, too.
    walkType(field.type, value, path, { ...context, tell: false })
    return undefined
  }
  const whole = field.treatment === 'supported' || !context.tell
  const tell = context.tell && field.treatment === 'supported'
  const result = walkType(field.type, value, path, { ...context, tell })
  if (whole) return result
  const reason = field.reason ?? ''
  switch (field.treatment) {
    case 'ignored':
      // The value is kept: validation looks at it, though nothing else does.
      context.findings.add('ignored', path, `ignored: ${reason}`)
      return result
    case 'emulated':
      if (!isEmpty(result)) {
        context.findings.add('emulated', path, `emulated: ${reason}`)
      }
      break
  }
  return result
}

/** Of a supported struct its fields are noted instead. */
function noteUse(
  { type, treatment }: FieldSpec,
  value: Value,
  path: string,
  findings: FindingList,
): void {
  const item = typeof type === 'object' && 'list' in type ? type.list : type
  const hasFields =
    typeof item === 'object' &&
    'struct' in item &&
    (value instanceof Map ? value.size > 0 : Array.isArray(value))
  if (treatment !== 'supported' || !hasFields) findings.use(path, treatment)
}

function walkType(
  type: FieldType,
  value: Value,
  path: string,
  context: Context,
): unknown {
  if (typeof type === 'string') return walkScalar(type, value, path, context)
  if ('enum' in type) {
    const text = walkScalar('string', value, path, context)
    if (typeof text !== 'string' || text === '') return text
    if (type.enum.includes(text)) return text
    context.findings.refuseInvalid(path, unsupported(text, type.enum))
    return undefined
  }
  if ('struct' in type) return walkStruct(type.struct(), value, path, context)
  if ('map' in type) return walkMap(type.map, value, path, context)
  if (!Array.isArray(value)) {
    context.findings.refuse(
      path,
      wrongType('a list', value),
      listFix(path, value, type.list),
    )
    return undefined
  }
  const item = type.list
  return value
    .map((each: Value, i) =>
      walkType(item, each ?? zeroOf(item), `${path}[${i}]`, context),
    )
    .filter(each => each !== undefined)
}

function walkMap(
  type: FieldType,
  value: Value,
  path: string,
  context: Context,
): ReadonlyMap<string, unknown> | undefined {
  if (!isMapping(value)) {
    context.findings.refuse(path, wrongType('a mapping', value))
    return undefined
  }
  const decoded = new Map<string, unknown>()
  for (const [key, each] of value) {
    const result = walkType(
      type,
      each ?? zeroOf(type),
      `${path}[${key}]`,
      context,
    )
    if (result !== undefined) decoded.set(key, result)
  }
  return decoded
}

function walkScalar(
  type: Exclude<FieldType, object>,
  value: Value,
  path: string,
  { findings }: Context,
): unknown {
  switch (type) {
    case 'any':
      return value
    case 'string':
      if (typeof value === 'string') return value
      findings.refuse(
        path,
        wrongType('a string', value),
        typeof value === 'number' || typeof value === 'boolean'
          ? 'put the value in quotes'
          : undefined,
      )
      return undefined
    case 'boolean':
      if (typeof value === 'boolean') return value
      findings.refuse(
        path,
        wrongType('a boolean', value),
        typeof value === 'string'
          ? 'write true or false, no quotes'
          : undefined,
      )
      return undefined
    case 'int32':
    case 'int64':
      return walkInteger(type, value, path, findings)
    case 'intOrString':
      if (typeof value === 'string') return value
      return walkInteger('int32', value, path, findings)
    case 'quantity':
      return walkQuantity(value, path, findings)
    case 'bytes':
      break
  }
  return walkBytes(value, path, findings)
}

function walkInteger(
  type: 'int32' | 'int64',
  value: Value,
  path: string,
  findings: FindingList,
): number | undefined {
  if (typeof value !== 'number') {
    findings.refuse(
      path,
      wrongType('a whole number', value),
      typeof value === 'string' ? 'write the number without quotes' : undefined,
    )
    return undefined
  }
  const limit = type === 'int32' ? 2 ** 31 : 2 ** 63
  if (!Number.isInteger(value) || value < -limit || value >= limit) {
    findings.refuse(
      path,
      `must be a whole number of type ${type}, not ${value}`,
    )
    return undefined
  }
  return value
}

/** apimachinery's pkg/api/resource/quantity.go; the message is its own. */
const quantity =
  /^[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/

function walkQuantity(
  value: Value,
  path: string,
  findings: FindingList,
): string | undefined {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string' && quantity.test(value)) return value
  findings.refuse(
    path,
    typeof value === 'string'
      ? "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
      : wrongType('a quantity such as 100m or 64Mi', value),
  )
  return undefined
}

/** The message names the offset at most: this is where the values of Secrets pass. */
function walkBytes(
  value: Value,
  path: string,
  findings: FindingList,
): Uint8Array | undefined {
  if (typeof value !== 'string') {
    findings.refuse(path, wrongType('base64 in a string', value))
    return undefined
  }
  const result = decodeBase64(value)
  if ('bytes' in result) return result.bytes
  findings.refuse(
    path,
    `illegal base64 data at input byte ${result.illegalAt}`,
    path.startsWith('data[')
      ? 'plain text belongs under stringData'
      : 'plain text belongs under data',
  )
  return undefined
}

function fillIn(
  spec: StructSpec,
  decoded: Decoded,
  path: string,
  { findings, tell }: Context,
): void {
  for (const [key, field] of Object.entries(spec.fields)) {
    const fieldPath = path === '' ? key : `${path}.${key}`
    const value = decoded[key]
    const absent =
      field.pointer === true
        ? value === undefined
        : isEmpty(value) || (field.zeroIsAbsent === true && value === 0)
    if (!absent) continue
    if (field.required === true) findings.reject(fieldPath, required())
    if (field.default === undefined) {
      delete decoded[key]
      continue
    }
    decoded[key] =
      typeof field.type === 'object' && 'struct' in field.type
        ? walkStruct(field.type.struct(), null, fieldPath, { findings, tell })
        : field.default
  }
}

/** The zero value, which Go cannot tell from an absent one where the field is no pointer. */
function isEmpty(value: unknown): boolean {
  return (
    value === undefined ||
    value === '' ||
    (Array.isArray(value) && value.length === 0) ||
    (value instanceof Map && value.size === 0)
  )
}

/** Go's JSON: null in a list or map is the zero value of its type. */
function zeroOf(type: FieldType): Value {
  if (type === 'boolean') return false
  if (type === 'int32' || type === 'int64' || type === 'intOrString') return 0
  if (type === 'quantity') return '0'
  if (typeof type === 'string' || 'enum' in type) return ''
  return 'list' in type ? [] : new Map()
}

/** Where the fields belong that are most often indented too far, or not far enough. */
const places: ReadonlyMap<string, string> = new Map(
  [
    ['spec', 'containers initContainers volumes restartPolicy hostAliases'],
    [
      'a container',
      'image command args env envFrom ports volumeMounts lifecycle livenessProbe readinessProbe resources',
    ],
    ['metadata', 'name namespace labels annotations'],
    ['httpGet', 'path port scheme httpHeaders'],
    ['the object itself', 'spec data stringData metadata'],
  ].flatMap(([place = '', fields = '']) =>
    fields.split(' ').map(field => [field, place] as const),
  ),
)

function refuseUnknown(
  spec: StructSpec,
  key: string,
  path: string,
  findings: FindingList,
): void {
  const meant = nearest(key, Object.keys(spec.fields))
  const elsewhere = places.get(key)
  findings.refuse(
    path,
    `unknown field ${JSON.stringify(path)}`,
    meant !== undefined
      ? `did you mean ${meant}?`
      : elsewhere === undefined
        ? undefined
        : `${key} is a field of ${elsewhere}: look at the indentation`,
  )
}

/** What to type where a list was expected. */
function listFix(path: string, value: Value, item: FieldType): string {
  const field = path.split('.').at(-1) ?? path
  if (item === 'string') return `write a list, such as ${field}: [a, b]`
  return isMapping(value)
    ? `begin each item with a dash, as in - name: ...`
    : `write a list: each item begins with a dash`
}

function wrongType(expected: string, value: Value): string {
  return `must be ${expected}, not ${describeType(value)}`
}
