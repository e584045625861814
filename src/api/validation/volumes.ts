import type { FindingList } from '../decode/finding-list.ts'
import { duplicate, forbidden, invalid, required } from '../field-errors.ts'
import { parseQuantity } from '../quantity.ts'
import type {
  ConfigMapVolumeSource,
  EmptyDirVolumeSource,
  SecretVolumeSource,
  Volume,
  VolumeKind,
} from '../types.ts'
import { dns1123Label } from './names.ts'
import { validateMode } from './paths.ts'
import { validateProjected } from './projected-volume.ts'
import { validateDownwardFile, validateItems } from './volume-items.ts'

type Validate<Source> = (
  source: Source,
  path: string,
  findings: FindingList,
) => void

/** In the order in which the API server looks: the second one found is the one too many. */
const kinds: {
  readonly [Kind in VolumeKind]: Validate<NonNullable<Volume[Kind]>>
} = {
  emptyDir(source, path, findings) {
    warnOfMedium(source.medium, `${path}.medium`, findings)
    validateSizeLimit(source, path, findings)
  },
  hostPath({ path: hostPath }, path, findings) {
    if (hostPath === undefined) findings.reject(`${path}.path`, required())
    // ValidatePathNoBacksteps
    else if (hostPath.split('/').includes('..'))
      findings.reject(
        `${path}.path`,
        invalid(hostPath, "must not contain '..'"),
      )
  },
  secret(source, path, findings) {
    if (source.secretName === undefined)
      findings.reject(`${path}.secretName`, required())
    validateKeys(source, path, findings)
  },
  persistentVolumeClaim({ claimName }, path, findings) {
    if (!claimName) findings.reject(`${path}.claimName`, required())
  },
  downwardAPI({ defaultMode, items }, path, findings) {
    validateMode(defaultMode, `${path}.defaultMode`, findings)
    for (const item of items) validateDownwardFile(item, path, findings)
  },
  configMap(source, path, findings) {
    if (source.name === undefined) findings.reject(`${path}.name`, required())
    validateKeys(source, path, findings)
  },
  projected: validateProjected,
}

/**
 * Source: pkg/apis/core/validation/validation.go, ValidateVolumes. Returns the names of the
 * volumes that are valid: a container can mount no other.
 */
export function validateVolumes(
  volumes: readonly Volume[],
  findings: FindingList,
): ReadonlySet<string> {
  const names = new Set<string>()
  for (const [i, volume] of volumes.entries()) {
    const path = `spec.volumes[${i}]`
    const { name } = volume
    validateSource(volume, path, findings)
    if (name === undefined) continue
    findings.rejectEach(`${path}.name`, dns1123Label(name), problem =>
      invalid(name, problem),
    )
    if (names.has(name)) findings.reject(`${path}.name`, duplicate(name))
    if (!findings.isInvalid(path)) names.add(name)
  }
  return names
}

function validateSource(
  volume: Volume,
  path: string,
  findings: FindingList,
): void {
  const present = (Object.keys(kinds) as VolumeKind[]).filter(
    kind => volume[kind] !== undefined,
  )
  for (const kind of present.slice(1)) {
    findings.reject(
      // So spelled by the API server.
      `${path}.${kind === 'downwardAPI' ? 'downwarAPI' : kind}`,
      forbidden('may not specify more than 1 volume type'),
      'several sources in one directory are a projected volume',
    )
  }
  const [kind] = present
  if (kind === undefined) return
  // By the type of the table each kind takes the source of its name.
  const validate = kinds[kind] as Validate<unknown>
  validate(volume[kind], `${path}.${kind}`, findings)
}

function validateKeys(
  { defaultMode, items }: SecretVolumeSource | ConfigMapVolumeSource,
  path: string,
  findings: FindingList,
): void {
  validateMode(defaultMode, `${path}.defaultMode`, findings)
  validateItems(items, `${path}.items`, findings)
}

/** The API server takes any word here, and the kubelet then cannot mount it. */
function warnOfMedium(
  medium: string | undefined,
  path: string,
  findings: FindingList,
): void {
  if (medium === undefined || medium === '' || medium === 'Memory') return
  findings.add(
    'ignored',
    path,
    /^HugePages(-|$)/.test(medium)
      ? 'podfs gives no huge pages: the Pod will not start; use medium: Memory'
      : `unknown storage medium ${JSON.stringify(medium)}: the Pod will not start`,
  )
}

function validateSizeLimit(
  { sizeLimit: limit }: EmptyDirVolumeSource,
  path: string,
  findings: FindingList,
): void {
  if (limit === undefined || (parseQuantity(limit) ?? 0n) >= 0n) return
  findings.reject(
    `${path}.sizeLimit`,
    forbidden('SizeLimit field must be a valid resource quantity'),
  )
}
