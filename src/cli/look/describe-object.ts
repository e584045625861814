import { text, type JsonObject } from '../../api/json.ts'
import { describeConfigMap, describeSecret } from './describe-data.ts'
import { describePod } from './describe-pod.ts'
import { alignTabs, describeLayout } from './tab-writer.ts'

type Describer = (
  object: JsonObject,
  events: readonly JsonObject[],
  now: number,
) => readonly string[]

const describers: Readonly<Record<string, Describer>> = {
  Pod: describePod,
  Secret: describeSecret,
  ConfigMap: describeConfigMap,
}

export function isDescribed(kind: string): boolean {
  return Object.hasOwn(describers, kind)
}

/** What `kubectl describe` prints of it (pkg/describe/describe.go of v1.32 to v1.34). */
export function describeObject(
  object: JsonObject,
  events: readonly JsonObject[],
  now: number,
): string {
  const describe = describers[text(object['kind'])]
  if (describe === undefined) throw new Error('not described')
  return `${alignTabs(describe(object, events, now).join('\n'), describeLayout)}\n`
}
