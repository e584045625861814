import { Document, parse, visit } from 'yaml'
import type { JsonObject } from '../../api/json.ts'
import { sorted } from './jsonpath.ts'

/**
 * Keys in order, lists at the level of their key, as kubectl. What YAML 1.1 would take for
 * something else than a string stands in double quotes, what needs quotes otherwise in single
 * ones. Long lines are not folded.
 */
export function asYaml(object: JsonObject): string {
  const document = new Document(sorted(object), {
    version: '1.1',
    aliasDuplicateObjects: false,
  })
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'string' && !readsAsString(node.value))
        node.type = 'QUOTE_DOUBLE'
    },
  })
  return document.toString({
    lineWidth: 0,
    indentSeq: false,
    singleQuote: true,
  })
}

function readsAsString(text: string): boolean {
  if (text === '') return false
  try {
    return typeof parse(text, { version: '1.1' }) === 'string'
  } catch {
    // A string with signs of YAML in it.
    return true
  }
}
