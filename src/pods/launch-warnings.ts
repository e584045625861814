import { isUtf8 } from 'node:buffer'
import type { Finding } from '../api/report.ts'
import type { ConfigMap, Container, Pod, Secret } from '../api/types.ts'
import { isManagedVolume } from '../projection/projection.ts'
import { noText, secretKeyName } from '../runner/launch/environment.ts'
import {
  keysAtSubPath,
  missingSubPath,
} from '../runner/launch/missing-sub-path.ts'
import {
  whyStringTooLong,
  whyVariableTooLong,
} from '../runner/sandbox/argument-limit.ts'
import type { Store } from '../store/store.ts'
import { podFinding } from './pod-finding.ts'

/** The objects of the input in a Pod's namespace. */
interface Objects {
  readonly Secret: (name: string) => Secret | undefined
  readonly ConfigMap: (name: string) => ConfigMap | undefined
}

/** Of one container; paths begin at it. */
type Warn = (fieldPath: string, message: string) => void

/**
 * What passes each check of one object, and shows when the containers start: variables that no
 * program can be given, and subPaths at which nothing is. What is not in the input may be
 * elsewhere: nothing is said of it.
 */
export function launchWarnings(store: Store): readonly Finding[] {
  return store.list('Pod').flatMap(pod => {
    const { namespace } = pod.metadata
    const objects: Objects = {
      Secret: name => store.get('Secret', namespace, name),
      ConfigMap: name => store.get('ConfigMap', namespace, name),
    }
    return (['initContainers', 'containers'] as const).flatMap(list =>
      pod.spec[list].flatMap((container, i) => {
        const findings: Finding[] = []
        const warn: Warn = (fieldPath, message) =>
          findings.push(
            podFinding(pod, `spec.${list}[${i}].${fieldPath}`, {
              treatment: 'warning',
              message,
            }),
          )
        warnOfCommand(container, warn)
        warnOfEnv(container, objects, warn)
        warnOfSubPaths(pod, container, objects, warn)
        return findings
      }),
    )
  })
}

function warnOfCommand(container: Container, warn: Warn): void {
  for (const list of ['command', 'args'] as const)
    for (const [i, word] of (container[list] ?? []).entries()) {
      const why = whyStringTooLong('it', word)
      if (why !== undefined) warn(`${list}[${i}]`, why)
    }
}

function warnOfEnv(
  { env, envFrom }: Container,
  objects: Objects,
  warn: Warn,
): void {
  for (const [i, { prefix, secretRef, configMapRef }] of envFrom.entries()) {
    const secret = secretRef && objects.Secret(secretRef.name)
    for (const key of secret?.data.keys() ?? [])
      warnOfSecret(`envFrom[${i}].secretRef`, prefix + key, secret, key, warn)
    const configMap = configMapRef && objects.ConfigMap(configMapRef.name)
    for (const [key, value] of configMap?.data ?? [])
      warnOfLength(`envFrom[${i}].configMapRef`, prefix + key, value, warn)
  }
  for (const [i, { name, value = '', valueFrom }] of env.entries()) {
    const { secretKeyRef, configMapKeyRef } =
      value === '' ? (valueFrom ?? {}) : {}
    const at = `env[${i}].valueFrom`
    if (secretKeyRef !== undefined)
      warnOfSecret(
        `${at}.secretKeyRef`,
        name,
        objects.Secret(secretKeyRef.name),
        secretKeyRef.key,
        warn,
      )
    else if (configMapKeyRef !== undefined)
      warnOfLength(
        `${at}.configMapKeyRef`,
        name,
        objects.ConfigMap(configMapKeyRef.name)?.data.get(configMapKeyRef.key),
        warn,
      )
    else warnOfLength(`env[${i}].value`, name, value, warn)
  }
}

function warnOfSecret(
  fieldPath: string,
  name: string,
  secret: Secret | undefined,
  key: string,
  warn: Warn,
): void {
  const bytes = secret?.data.get(key)
  if (secret === undefined || bytes === undefined) return
  warnOfLength(fieldPath, name, bytes, warn)
  if (!isUtf8(bytes))
    warn(fieldPath, noText(name, secretKeyName(secret, key)).message)
}

function warnOfLength(
  fieldPath: string,
  name: string,
  value: string | Uint8Array | undefined,
  warn: Warn,
): void {
  const why = value && whyVariableTooLong(name, value)
  if (why) warn(fieldPath, why)
}

function warnOfSubPaths(
  { spec, metadata }: Pod,
  { volumeMounts }: Container,
  objects: Objects,
  warn: Warn,
): void {
  for (const [i, { name, subPath }] of volumeMounts.entries()) {
    const volume = spec.volumes.find(volume => volume.name === name)
    if (volume === undefined || !isManagedVolume(volume) || !subPath) continue
    const isCertain = keysAtSubPath(volume, subPath)?.every(
      ({ kind, name, key, isItem, optional }) => {
        const object = objects[kind](name)
        const isThere =
          object?.data.has(key) === true ||
          (object?.kind === 'ConfigMap' && object.binaryData.has(key))
        // Without a required object, or the key of a required item, there is no volume.
        return !isThere && (optional || (object !== undefined && !isItem))
      },
    )
    if (isCertain)
      warn(
        `volumeMounts[${i}].subPath`,
        missingSubPath(volume, subPath, metadata.namespace),
      )
  }
}
