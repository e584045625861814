import { items, part, text, type JsonObject } from './json.ts'

/** `a=b,c=d`, sorted: FormatLabels of pkg/labels. */
export function formatLabels(labels: JsonObject): string {
  const all = Object.keys(labels)
    .sort()
    .map(key => `${key}=${text(labels[key])}`)
  return all.length === 0 ? '<none>' : all.join(',')
}

/**
 * A LabelSelector as `-l` takes it; FormatLabelSelector of meta/v1, which writes `<none>` for
 * an empty one.
 */
export function formatLabelSelector(selector: JsonObject): string {
  const labels = part(selector, 'matchLabels')
  const requirements = [
    ...Object.keys(labels).map(key => ({
      key,
      text: `${key}=${text(labels[key])}`,
    })),
    ...items(selector, 'matchExpressions').map(({ key, operator, values }) => ({
      key: text(key),
      text: requirementText(
        text(key),
        text(operator),
        (values ?? []) as readonly string[],
      ),
    })),
  ].sort((a, b) => (a.key < b.key ? -1 : 1))
  return requirements.length === 0
    ? '<none>'
    : requirements.map(({ text }) => text).join(',')
}

function requirementText(
  key: string,
  operator: string,
  values: readonly string[],
): string {
  switch (operator) {
    case 'In':
      return `${key} in (${values.toSorted().join(',')})`
    case 'NotIn':
      return `${key} notin (${values.toSorted().join(',')})`
    case 'DoesNotExist':
      return `!${key}`
  }
  return key
}
