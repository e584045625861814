import type { Surroundings } from './describe-parts.ts'
import { text, type JsonObject } from '../../api/json.ts'
import { describeConfigMap, describeSecret } from './describe-data.ts'
import {
  describeEndpoints,
  describeEndpointSlice,
} from './describe-endpoints.ts'
import { describeNode } from './describe-node.ts'
import {
  describeAnything,
  describeNamespace,
  describeServiceAccount,
} from './describe-other.ts'
import { describePod } from './describe-pod.ts'
import {
  describeCronJob,
  describeDaemonSet,
  describeDeployment,
  describeJob,
  describeReplicaSet,
  describeService,
  describeStatefulSet,
} from './describe-workload.ts'
import { alignTabs, describeLayout } from './tab-writer.ts'

type Describer = (
  object: JsonObject,
  surroundings: Surroundings,
) => readonly string[]

const describers: Readonly<Record<string, Describer>> = {
  ConfigMap: describeConfigMap,
  CronJob: describeCronJob,
  DaemonSet: describeDaemonSet,
  Deployment: describeDeployment,
  EndpointSlice: describeEndpointSlice,
  Endpoints: describeEndpoints,
  Job: describeJob,
  Namespace: describeNamespace,
  Node: describeNode,
  Pod: describePod,
  ReplicaSet: describeReplicaSet,
  ReplicationController: describeReplicaSet,
  Secret: describeSecret,
  Service: describeService,
  ServiceAccount: describeServiceAccount,
  StatefulSet: describeStatefulSet,
}

/** What `kubectl describe` prints of it (pkg/describe/describe.go of v1.32 to v1.34). */
export function describeObject(
  object: JsonObject,
  surroundings: Surroundings,
): string {
  const describe = describers[text(object['kind'])] ?? describeAnything
  return `${alignTabs(describe(object, surroundings).join('\n'), describeLayout)}\n`
}
