import {
  nameOf,
  part,
  text,
  type Json,
  type JsonObject,
} from '../../api/json.ts'
import {
  type Surroundings,
  describeAnnotations,
  describeEvents,
  describeHead,
  describeLabels,
} from './describe-parts.ts'
import { visible } from '../../util/visible.ts'

/** describeNamespace of kubectl's pkg/describe/describe.go. */
export function describeNamespace(namespace: JsonObject): readonly string[] {
  const metadata = part(namespace, 'metadata')
  return [
    `Name:\t${nameOf(namespace)}`,
    ...describeLabels('Labels', part(metadata, 'labels')),
    ...describeAnnotations(part(metadata, 'annotations')),
    `Status:\t${text(part(namespace, 'status')['phase'])}`,
  ]
}

/** describeServiceAccount: podfs acts on no secrets that an account may name. */
export function describeServiceAccount(
  account: JsonObject,
  { events, now }: Surroundings,
): readonly string[] {
  return [
    ...describeHead(account),
    'Image pull secrets:\t<none>',
    'Mountable secrets: \t<none>',
    'Tokens:            \t<none>',
    ...describeEvents(events, now),
  ]
}

/** What kubectl prints of a kind that it has no words for: genericDescriber. */
export function describeAnything(
  object: JsonObject,
  { events, now }: Surroundings,
): readonly string[] {
  const metadata = Object.entries(part(object, 'metadata')).filter(
    ([key]) => !['name', 'namespace', 'labels', 'annotations'].includes(key),
  )
  return [
    ...describeHead(object),
    ...describeFields({ ...object, metadata: Object.fromEntries(metadata) }),
    ...describeEvents(events, now),
  ]
}

function describeFields(content: JsonObject): string[] {
  return Object.keys(content)
    .sort()
    .flatMap(field => describeField(titleOf(field), content[field] ?? null))
}

function describeField(title: string, value: Json): string[] {
  if (isList(value))
    return [
      `${title}:`,
      ...value.flatMap(each =>
        isObject(each) ? indented(describeFields(each)) : [`  ${scalar(each)}`],
      ),
    ]
  if (isObject(value)) return [`${title}:`, ...indented(describeFields(value))]
  return [`${title}:\t${scalar(value)}`]
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null
}

function indented(lines: readonly string[]): string[] {
  return lines.map(line => `  ${line}`)
}

/** As Go's %v. */
function scalar(value: Json): string {
  return value === null ? '<nil>' : visible(text(value))
}

/** `podName` is `Pod Name`: smartLabelFor. */
function titleOf(field: string): string {
  if (!/^[A-Za-z-]+$/.test(field)) return field
  const words = field.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|-+/g) ?? []
  return words
    .map(word =>
      ['API', 'URL', 'UID', 'OSB', 'GUID'].includes(word.toUpperCase())
        ? word.toUpperCase()
        : word.charAt(0).toUpperCase() + word.slice(1),
    )
    .join(' ')
}
