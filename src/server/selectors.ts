import { badRequest, quote } from './api-error.ts'

/** Whether an object is wanted. */
export type Matcher = (values: ReadonlyMap<string, string>) => boolean

/**
 * `app=web,tier!=front,env in (a,b),!legacy,release`, as kubectl's -l (apimachinery,
 * pkg/labels/selector.go). Throws an ApiError.
 */
export function parseLabelSelector(text: string): Matcher {
  const requirements = splitOutsideParentheses(text).map(parseRequirement)
  return labels => requirements.every(matches => matches(labels))
}

/** Commas separate requirements, but also the values inside `in (...)`. */
function splitOutsideParentheses(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map(part => part.trim())
    .filter(part => part !== '')
}

const key = String.raw`([A-Za-z0-9](?:[-A-Za-z0-9_.\/]*[A-Za-z0-9])?)`
const value = String.raw`([-A-Za-z0-9_.]*)`
const equality = new RegExp(`^${key}\\s*(=|==|!=)\\s*${value}$`)
const comparison = new RegExp(`^${key}\\s*([<>])\\s*(\\d+)$`)
const membership = new RegExp(`^${key}\\s+(in|notin)\\s*\\(([^()]*)\\)$`)
const existence = new RegExp(`^(!?)\\s*${key}$`)

function parseRequirement(text: string): Matcher {
  const [, name = '', operator, wanted = ''] =
    equality.exec(text) ?? comparison.exec(text) ?? membership.exec(text) ?? []
  switch (operator) {
    case '=':
    case '==':
      return labels => labels.get(name) === wanted
    case '!=':
      return labels => labels.get(name) !== wanted
    case '<':
      return labels => Number(labels.get(name) ?? Number.NaN) < Number(wanted)
    case '>':
      return labels => Number(labels.get(name) ?? Number.NaN) > Number(wanted)
    case 'in':
    case 'notin': {
      const values = new Set(wanted.split(',').map(each => each.trim()))
      const isIn: Matcher = labels => {
        const label = labels.get(name)
        return label !== undefined && values.has(label)
      }
      return operator === 'in' ? isIn : labels => !isIn(labels)
    }
    case undefined:
  }
  const [, not, existing = ''] = existence.exec(text) ?? []
  if (not === undefined)
    throw badRequest(
      `unable to parse requirement: found ${quote(text)}, expected: a label selector`,
    )
  return labels => labels.has(existing) === (not === '')
}

/**
 * `metadata.name=web,status.phase!=Running` (apimachinery, pkg/fields/selector.go); values
 * escape `\`, `,` and `=` with a backslash. Throws an ApiError, also for a field by which
 * this resource cannot be selected.
 */
export function parseFieldSelector(
  text: string,
  known: ReadonlySet<string>,
): Matcher {
  const terms = text.split(/(?<!\\),/).filter(term => term !== '')
  const requirements = terms.map((term): Matcher => {
    const match = /^([^=!]+)(=|==|!=)((?:\\.|[^=])*)$/.exec(term)
    const [, field = '', operator, escaped = ''] = match ?? []
    if (operator === undefined)
      throw badRequest(
        `invalid field selector: ${quote(term)}; can't understand it`,
      )
    if (!known.has(field))
      throw badRequest(`field label not supported: ${field}`)
    const wanted = escaped.replaceAll(/\\(.)/g, '$1')
    return fields =>
      ((fields.get(field) ?? '') === wanted) === (operator !== '!=')
  })
  return fields => requirements.every(matches => matches(fields))
}
