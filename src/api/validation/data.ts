import type { FindingList } from '../decode/finding-list.ts'
import { invalid, required, tooLong } from '../field-errors.ts'
import type { ConfigMap, Secret } from '../types.ts'
import { validConfigKey } from './names.ts'

/** MaxSecretSize, the same for both kinds; keys are not counted. */
export const maxDataBytes = 1024 * 1024

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
  // Of the whole object, says the API server.
  if (size > maxDataBytes) findings.reject('', tooLong(maxDataBytes))
}

const serviceAccountName = 'kubernetes.io/service-account.name'

/** Secrets for registries: the key they must have, and that it holds a JSON mapping. */
const registryKeys: ReadonlyMap<string, string> = new Map([
  ['kubernetes.io/dockercfg', '.dockercfg'],
  ['kubernetes.io/dockerconfigjson', '.dockerconfigjson'],
])

/** ValidateSecret. Keys may be named, values never. */
export function validateSecret(secret: Secret, findings: FindingList): void {
  let size = 0
  for (const [key, value] of secret.data) {
    size += value.byteLength
    validateKey('data', key, findings)
  }
  if (size > maxDataBytes) findings.reject('data', tooLong(maxDataBytes))
  validateType(secret, findings)
  if (!findings.rejected) warnOfNewlines(secret, findings)
}

/** `echo hunter2 | base64` encodes the newline, too, and no program expects it. */
function warnOfNewlines(secret: Secret, findings: FindingList): void {
  for (const [key, value] of secret.data) {
    const isWord = /(password|passwd|token|username|user)$/i.test(key)
    if (!isWord || value.indexOf(0x0a) !== value.byteLength - 1) continue
    if (value.byteLength > 1) {
      findings.add(
        'warning',
        `data[${key}]`,
        'ends with a newline, which is part of the value',
        'encode it without one: echo -n VALUE | base64',
      )
    }
  }
}

function validateType(secret: Secret, findings: FindingList): void {
  const { data } = secret
  const need = (...keys: string[]) => {
    const given = [...data.keys()].join(', ')
    const fix = given === '' ? undefined : `the keys that it has: ${given}`
    for (const key of keys) findings.reject(`data[${key}]`, required(), fix)
  }
  switch (secret.type) {
    case 'kubernetes.io/tls':
      need(...['tls.crt', 'tls.key'].filter(key => !data.has(key)))
      return
    case 'kubernetes.io/ssh-auth':
      if ((data.get('ssh-privatekey')?.byteLength ?? 0) === 0) {
        need('ssh-privatekey')
      }
      return
    case 'kubernetes.io/basic-auth':
      if (!data.has('username') && !data.has('password')) {
        need('username', 'password')
      }
      return
    case 'kubernetes.io/service-account-token':
      if ((secret.metadata.annotations.get(serviceAccountName) ?? '') === '') {
        findings.reject(
          `metadata.annotations[${serviceAccountName}]`,
          required(),
        )
      }
      return
  }
  const key = registryKeys.get(secret.type)
  if (key === undefined) return
  const bytes = data.get(key)
  if (bytes === undefined) need(key)
  else {
    const problem = jsonProblem(new TextDecoder().decode(bytes))
    if (problem === undefined) return
    findings.reject(
      `data[${key}]`,
      invalid('<secret contents redacted>', problem),
    )
  }
}

/**
 * What keeps Go from reading the text into a map, in its words; but where those quote a
 * letter of the text, they do not: it is a Secret's.
 */
function jsonProblem(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (
      value === null ||
      (typeof value === 'object' && !Array.isArray(value))
    ) {
      return undefined
    }
    const type =
      typeof value === 'boolean'
        ? 'bool'
        : Array.isArray(value)
          ? 'array'
          : typeof value
    return `json: cannot unmarshal ${type} into Go value of type map[string]interface {}`
  } catch (error) {
    const words = String(error)
    const at = /at position (\d+)/.exec(words)?.[1]
    return /end of JSON|Unterminated/.test(words) || Number(at) === text.length
      ? 'unexpected end of JSON input'
      : 'invalid character: this is not JSON'
  }
}

function validateKey(map: string, key: string, findings: FindingList): void {
  for (const problem of validConfigKey(key)) {
    findings.reject(`${map}[${key}]`, invalid(key, problem))
  }
}
