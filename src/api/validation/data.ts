import type { FindingList } from '../decode/finding-list.ts'
import { invalid, required } from '../field-errors.ts'
import type { ConfigMap, Secret } from '../types.ts'
import { validConfigKey } from './names.ts'

/** MaxSecretSize, the same for both kinds; keys are not counted. */
const maxDataBytes = 1024 * 1024
const tooLong = `Too long: may not be more than ${maxDataBytes} bytes`

/** ValidateConfigMap. */
export function validateConfigMap(
  configMap: ConfigMap,
  findings: FindingList,
): void {
  let size = 0
  for (const [key, value] of configMap.data) {
    size += Buffer.byteLength(value)
    validateKey('data', key, findings)
    if (configMap.binaryData.has(key)) {
      findings.reject(
        `data[${key}]`,
        invalid(key, 'duplicate of key present in binaryData'),
      )
    }
  }
  for (const [key, value] of configMap.binaryData) {
    size += value.byteLength
    validateKey('binaryData', key, findings)
  }
  if (size > maxDataBytes) findings.reject('data', tooLong)
}

const serviceAccountName = 'kubernetes.io/service-account.name'

/** The keys that a Secret of this type must have (ValidateSecret). */
const requiredKeys: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
}

/** ValidateSecret. Keys may be named, values never. */
export function validateSecret(secret: Secret, findings: FindingList): void {
  let size = 0
  for (const [key, value] of secret.data) {
    size += value.byteLength
    validateKey('data', key, findings)
  }
  if (size > maxDataBytes) findings.reject('data', tooLong)
  const keys = Object.hasOwn(requiredKeys, secret.type)
    ? requiredKeys[secret.type]
    : undefined
  for (const key of keys ?? []) {
    if (!secret.data.has(key)) findings.reject(`data[${key}]`, required())
  }
  if (
    secret.type === 'kubernetes.io/basic-auth' &&
    !secret.data.has('username') &&
    !secret.data.has('password')
  ) {
    findings.reject('data[username]', required())
    findings.reject('data[password]', required())
  }
  if (
    secret.type === 'kubernetes.io/service-account-token' &&
    (secret.metadata.annotations.get(serviceAccountName) ?? '') === ''
  ) {
    findings.reject(`metadata.annotations[${serviceAccountName}]`, required())
  }
}

function validateKey(map: string, key: string, findings: FindingList): void {
  for (const problem of validConfigKey(key)) {
    findings.reject(`${map}[${key}]`, invalid(key, problem))
  }
}
