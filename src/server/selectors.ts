import {
  LabelSelectorError,
  parseLabelSelector,
  selectorMatches,
} from '../api/label-selector.ts'
import { badRequest, quote } from './api-error.ts'

/** Whether an object is wanted. */
export type Matcher = (values: ReadonlyMap<string, string>) => boolean

/** As kubectl's -l. Throws an ApiError. */
export function labelMatcher(text: string): Matcher {
  try {
    const selector = parseLabelSelector(text)
    return labels => selectorMatches(selector, labels)
  } catch (error) {
    if (error instanceof LabelSelectorError) throw badRequest(error.message)
    throw error
  }
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
