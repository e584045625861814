import type { Surroundings } from './describe-parts.ts'
import { text, type JsonObject } from '../../api/json.ts'
import { describeConfigMap, describeSecret } from './describe-data.ts'
import { describeNode } from './describe-node.ts'
import {
  describeAnything,
  describeNamespace,
  describeServiceAccount,
} from './describe-other.ts'
import { describePod } from './describe-pod.ts'
import { alignTabs, describeLayout } from './tab-writer.ts'

type Describer = (
  object: JsonObject,
  surroundings: Surroundings,
) => readonly string[]

const describers: Readonly<Record<string, Describer>> = {
  ConfigMap: describeConfigMap,
  Namespace: describeNamespace,
  Node: describeNode,
  Pod: describePod,
  Secret: describeSecret,
  ServiceAccount: describeServiceAccount,
}

/** What `kubectl describe` prints of it (pkg/describe/describe.go of v1.32 to v1.34). */
export function describeObject(
  object: JsonObject,
  surroundings: Surroundings,
): string {
  const describe = describers[text(object['kind'])] ?? describeAnything
  return `${alignTabs(describe(object, surroundings).join('\n'), describeLayout)}\n`
}
