import { parse } from 'yaml'
import type { Json } from '../api/json.ts'
import { Failure } from '../util/failure.ts'

/** JSON or YAML. Throws a usage Failure. */
export function parsePatch(given: string | undefined): Json {
  if (given === undefined)
    throw new Failure('usage', 'must specify --patch or -p')
  try {
    return parse(given) as Json
  } catch (cause) {
    throw new Failure('usage', `unable to parse the patch: ${given}`, { cause })
  }
}
