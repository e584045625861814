import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { JsonObject } from '../../api/json.ts'
import { Failure } from '../../util/failure.ts'
import { fileError } from '../create/file-error.ts'
import { CustomColumns } from './custom-columns.ts'
import { parseGoTemplate } from './go-template/execute.ts'
import { parseJsonPath, sorted } from './jsonpath.ts'

export type OutputFormat =
  | { readonly kind: 'table'; readonly wide: boolean }
  | { readonly kind: 'name' }
  | { readonly kind: 'columns'; readonly columns: CustomColumns }
  /** Prints a whole object, or the List around all of them. */
  | { readonly kind: 'object'; readonly print: (object: JsonObject) => string }

const formats =
  'wide, json, yaml, name, jsonpath=TEMPLATE, go-template=TEMPLATE, go-template-file=FILE, custom-columns=SPEC or custom-columns-file=FILE'

/** The value of -o; files are looked for from `cwd`. Rejects with a usage Failure. */
export async function parseOutputFormat(
  text: string | undefined,
  cwd: string,
): Promise<OutputFormat> {
  switch (text) {
    case undefined:
    case '':
      return { kind: 'table', wide: false }
    case 'wide':
      return { kind: 'table', wide: true }
    case 'name':
      return { kind: 'name' }
    case 'json':
      return { kind: 'object', print: asJson }
    case 'yaml': {
      const { asYaml } = await import('./as-yaml.ts')
      return { kind: 'object', print: asYaml }
    }
    default:
  }
  const [, name = '', value = ''] = /^([a-z-]+)=(.*)$/s.exec(text) ?? []
  switch (name) {
    case 'jsonpath':
      return { kind: 'object', print: parseJsonPath(value) }
    case 'go-template':
      return { kind: 'object', print: parseGoTemplate(value) }
    case 'go-template-file':
      return { kind: 'object', print: parseGoTemplate(readText(value, cwd)) }
    case 'custom-columns':
      return { kind: 'columns', columns: CustomColumns.fromSpec(value) }
    case 'custom-columns-file': {
      const columns = CustomColumns.fromTemplate(readText(value, cwd))
      return { kind: 'columns', columns }
    }
  }
  throw new Failure('usage', `-o ${text}: the format must be ${formats}`)
}

function readText(file: string, cwd: string): string {
  try {
    return readFileSync(path.resolve(cwd, file), 'utf8')
  } catch (error) {
    throw new Failure(
      'usage',
      `error reading template ${file}: ${fileError(error)}`,
      { cause: error },
    )
  }
}

/** As kubectl: keys in order, four spaces. */
function asJson(object: JsonObject): string {
  return `${JSON.stringify(sorted(object), null, 4)}\n`
}

/** What kubectl makes of several objects. */
export function listOf(objects: readonly JsonObject[]): JsonObject {
  return {
    apiVersion: 'v1',
    items: objects,
    kind: 'List',
    metadata: { resourceVersion: '' },
  }
}
