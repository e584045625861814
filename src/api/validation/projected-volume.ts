import type { FindingList } from '../decode/finding-list.ts'
import { forbidden, invalid, required } from '../field-errors.ts'
import { sortedObject } from './sorted-object.ts'
import type {
  ClusterTrustBundleProjection,
  LabelSelector,
  ObjectProjection,
  ProjectedVolumeSource,
  ProjectionKind,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../types.ts'
import { validateMode, validateNonReservedPath } from './paths.ts'
import { trustBundleName, validateSignerName } from './cluster-trust-bundle.ts'
import { validateLabelSelector } from './selectors.ts'
import { validateDownwardFile, validateItems } from './volume-items.ts'

interface Place {
  /** Of the projected volume, and of the source in it. */
  readonly projectedPath: string
  readonly path: string
  /** An explicit path, and what the API server names when it is there twice. */
  readonly claim: (target: string, offender: string) => void
  readonly findings: FindingList
}

type Validate<Source> = (source: Source, place: Place) => void

const kinds: {
  readonly [Kind in ProjectionKind]: Validate<
    NonNullable<VolumeProjection[Kind]>
  >
} = {
  secret: validateKeys,
  configMap: validateKeys,
  downwardAPI({ items }, { path, claim, findings }) {
    for (const item of items) {
      validateDownwardFile(item, path, findings)
      claim(item.path, item.path)
    }
  },
  serviceAccountToken: validateToken,
  clusterTrustBundle: validateTrustBundle,
}

/**
 * Paths that stand in the volume must differ as they are written. The API server does not
 * compare the keys of a source without items, the token's path, and `a` with `a/b`
 * (validateProjectionSources, pkg/apis/core/validation/validation.go).
 */
export function validateProjected(
  projected: ProjectedVolumeSource,
  path: string,
  findings: FindingList,
): void {
  validateMode(projected.defaultMode, `${path}.defaultMode`, findings)
  const paths = new Set<string>()
  const claim = (target: string, offender: string) => {
    if (target !== '' && paths.has(target)) {
      findings.reject(path, invalid(offender, 'conflicting duplicate paths'))
    }
    paths.add(target)
  }
  for (const [i, source] of projected.sources.entries()) {
    const sourcePath = `${path}.sources[${i}]`
    const present = (Object.keys(kinds) as ProjectionKind[]).filter(
      kind => source[kind] !== undefined,
    )
    if (present.length > 1) {
      findings.reject(
        sourcePath,
        forbidden('may not specify more than 1 volume type per source'),
      )
    }
    for (const kind of present) {
      // By the type of the table each kind takes the source of its name.
      const validate = kinds[kind] as Validate<unknown>
      validate(source[kind], {
        projectedPath: path,
        path: `${sourcePath}.${kind}`,
        claim,
        findings,
      })
    }
  }
}

function validateKeys(
  { name, items }: ObjectProjection,
  { path, claim, findings }: Place,
): void {
  validateItems(items, `${path}.items`, findings)
  for (const item of items ?? []) claim(item.path ?? '', name ?? '')
}

function validateToken(
  { expirationSeconds, path }: ServiceAccountTokenProjection,
  { projectedPath, path: sourcePath, findings }: Place,
): void {
  const field = `${sourcePath}.expirationSeconds`
  if (expirationSeconds < 600) {
    findings.reject(
      field,
      invalid(
        expirationSeconds,
        'may not specify a duration less than 10 minutes',
      ),
    )
  } else if (expirationSeconds > 2 ** 32) {
    findings.reject(
      field,
      invalid(
        expirationSeconds,
        'may not specify a duration larger than 2^32 seconds',
      ),
    )
  }
  if (path === '') findings.reject(`${projectedPath}.path`, required())
  else validateNonReservedPath(path, `${projectedPath}.path`, findings)
}

/** The API server calls the field clusterTrustBundlePEM in its messages. */
function validateTrustBundle(
  source: ClusterTrustBundleProjection,
  { path, claim, findings }: Place,
): void {
  const field = `${path}PEM`
  const {
    name,
    signerName,
    labelSelector,
    optional = null,
    path: target,
  } = source
  if (name !== undefined && signerName !== undefined)
    findings.reject(
      field,
      invalid(
        {
          Name: name,
          SignerName: signerName,
          LabelSelector: labelSelector ? selectorValue(labelSelector) : null,
          Optional: optional,
          Path: target,
        },
        'only one of name and signerName may be used',
      ),
    )
  else if (name !== undefined) {
    if (name === '')
      findings.reject(`${field}.name`, required('must be a valid object name'))
    const colon = name.lastIndexOf(':')
    const signer = name.slice(0, Math.max(colon, 0)).replaceAll(':', '/')
    findings.rejectEach(
      `${field}.name`,
      trustBundleName(name, signer),
      problem =>
        invalid(name, `not a valid clustertrustbundlename: ${problem}`),
    )
    if (labelSelector !== undefined)
      findings.reject(
        `${field}.labelSelector`,
        invalid(
          selectorValue(labelSelector),
          'labelSelector must be unset if name is specified',
        ),
      )
  } else if (signerName !== undefined) {
    if (signerName === '')
      findings.reject(
        `${field}.signerName`,
        required('must be a valid signer name'),
      )
    validateSignerName(signerName, `${field}.signerName`, findings)
    validateLabelSelector(labelSelector, `${field}.labelSelector`, findings)
  } else
    findings.reject(
      field,
      required('either name or signerName must be specified'),
    )
  if (target === '') findings.reject(`${field}.path`, required())
  validateNonReservedPath(target, `${field}.path`, findings)
  if (target !== '') claim(target, target)
}

/** As its Go type has it in JSON. */
function selectorValue({
  matchLabels,
  matchExpressions,
}: LabelSelector): object {
  return {
    ...(matchLabels && { matchLabels: sortedObject(matchLabels) }),
    ...(matchExpressions && {
      matchExpressions: matchExpressions.map(
        ({ key = '', operator = '', values }) => ({
          key,
          operator,
          ...(values && { values }),
        }),
      ),
    }),
  }
}
