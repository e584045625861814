import { part, text, type Json, type JsonObject } from '../../api/json.ts'
import { humanDuration } from '../../util/human-duration.ts'
import { visible } from '../../util/visible.ts'

/** What a description says beside the object itself. */
export interface Surroundings {
  /** Those of the object. */
  readonly events: readonly JsonObject[]
  /** All there are that may belong to it; of a Node, and of a workload with several. */
  readonly pods: readonly JsonObject[]
  readonly now: number
}

/*
 * What the descriptions have in common. Lines have tabs between what is to be aligned.
 */

const maxAnnotation = 140

export function orNone(value: string): string {
  return value === '' ? '<none>' : value
}

/** A line, when there is something to say. */
export function given(title: string, value: Json | undefined): string[] {
  const shown = text(value)
  // A container's last words are its own, too.
  return shown === '' ? [] : [`${title}:\t${visible(shown)}`]
}

/** Name, namespace, what some kinds have next, labels and annotations. */
export function describeHead(
  { metadata }: JsonObject,
  next: readonly string[] = [],
): string[] {
  const { name, namespace, labels, annotations } = metadata as JsonObject
  return [
    `Name:\t${text(name)}`,
    `Namespace:\t${text(namespace)}`,
    ...next,
    ...describeLabels('Labels', (labels ?? {}) as JsonObject),
    ...describeAnnotations((annotations ?? {}) as JsonObject),
  ]
}

export function describeLabels(title: string, labels: JsonObject): string[] {
  const keys = Object.keys(labels).sort()
  if (keys.length === 0) return [`${title}:\t<none>`]
  return keys.map(
    (key, i) => `${i === 0 ? `${title}:` : ''}\t${key}=${text(labels[key])}`,
  )
}

export function describeAnnotations(annotations: JsonObject): string[] {
  const keys = Object.keys(annotations)
    .filter(key => key !== 'kubectl.kubernetes.io/last-applied-configuration')
    .sort()
  if (keys.length === 0) return ['Annotations:\t<none>']
  return keys.flatMap((key, i) => {
    const title = i === 0 ? 'Annotations:\t' : '\t'
    const value = text(annotations[key]).replace(/\n$/, '')
    if (key.length + value.length + 2 <= maxAnnotation && !value.includes('\n'))
      return [`${title}${key}: ${value}`]
    return [
      `${title}${key}:`,
      ...value.split('\n').map(line => `\t  ${shortened(line)}`),
    ]
  })
}

function shortened(line: string): string {
  return line.length > maxAnnotation - 2
    ? `${line.slice(0, maxAnnotation - 2)}...`
    : line
}

/** `Thu, 01 Jan 2026 00:00:00 +0000`: Go's RFC1123Z, in UTC as the times are. */
export function formatRfc1123(time: Json | undefined): string {
  // The zero time of Go.
  if (typeof time !== 'string') return 'Mon, 01 Jan 0001 00:00:00 +0000'
  return new Date(time).toUTCString().replace('GMT', '+0000')
}

export function describeEvents(
  events: readonly JsonObject[],
  now: number,
): string[] {
  if (events.length === 0) return ['Events:\t<none>']
  const age = (time: Json | undefined): string =>
    humanDuration(now - Date.parse(text(time)))
  const rows = events
    .toSorted((a, b) =>
      text(a['lastTimestamp']) < text(b['lastTimestamp']) ? -1 : 1,
    )
    .map(event => {
      const count = Number(event['count'] ?? 1)
      const first = age(event['firstTimestamp'])
      const when =
        count > 1
          ? `${age(event['lastTimestamp'])} (x${count} over ${first})`
          : first
      return `  ${text(event['type'])}\t${text(event['reason'])}\t${when}\t${text(part(event, 'source')['component'])}\t${visible(text(event['message']).trim())}`
    })
  return [
    'Events:',
    '  Type\tReason\tAge\tFrom\tMessage',
    '  ----\t------\t----\t----\t-------',
    ...rows,
  ]
}
