import { everyContainer } from '../../api/every-container.ts'
import type { ConfigMap, Pod, Secret } from '../../api/types.ts'
import type { PodHost } from '../pod-processes.ts'

/** The Secrets and ConfigMaps that the variables of a Pod's containers name and that are there. */
export function environmentObjects(
  { spec }: Pod,
  host: Pick<PodHost, 'secret' | 'configMap'>,
): readonly (Secret | ConfigMap)[] {
  const secrets = new Set<string>()
  const configMaps = new Set<string>()
  for (const { env, envFrom } of everyContainer(spec)) {
    for (const { secretRef, configMapRef } of envFrom) {
      if (secretRef !== undefined) secrets.add(secretRef.name)
      if (configMapRef !== undefined) configMaps.add(configMapRef.name)
    }
    for (const { valueFrom } of env) {
      const { secretKeyRef, configMapKeyRef } = valueFrom ?? {}
      if (secretKeyRef !== undefined) secrets.add(secretKeyRef.name)
      if (configMapKeyRef !== undefined) configMaps.add(configMapKeyRef.name)
    }
  }
  return [
    ...[...secrets].map(name => host.secret(name)),
    ...[...configMaps].map(name => host.configMap(name)),
  ].filter(object => object !== undefined)
}
