/**
 * The certificates of ClusterTrustBundles as one file (kubernetes v1.34
 * pkg/kubelet/clustertrustbundle/clustertrustbundle_manager.go and
 * pkg/volume/projected/projected.go).
 */
import { requirementsOf, selectorMatches } from '../api/label-selector.ts'
import { encodePem, pemBlocks } from '../api/pem.ts'
import type {
  ClusterTrustBundle,
  ClusterTrustBundleProjection,
} from '../api/types.ts'
import type { SourceKind } from './source-kind.ts'
import { ownedFile } from './owned-file.ts'

export const trustBundleFiles: SourceKind<ClusterTrustBundleProjection> = {
  collect(source, { field, defaultMode }, { pod, trustBundles }, collection) {
    const { name, signerName = '', optional, path } = source
    const bundles = selected(source, trustBundles())
    if (bundles.length === 0 && optional !== true) {
      const isNamed = name !== undefined
      collection.addError(
        'PROJECTION_TRUST_BUNDLE_NOT_FOUND',
        `${field}.${isNamed ? 'name' : 'signerName'}`,
        isNamed
          ? `while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io "${name}" not found`
          : 'combination of signerName and labelSelector matched zero ClusterTrustBundles',
      )
      return
    }
    collection.addFile(
      path,
      {
        data: Buffer.from(trustAnchors(bundles)),
        ...ownedFile(pod, defaultMode),
        origin: { kind: 'ClusterTrustBundle', name: name ?? signerName },
      },
      { fieldPath: `${field}.path`, isInPod: true },
    )
  },
  // Any of them may come to match a selector, or no longer.
  references: ({ name }) => [
    { kind: 'ClusterTrustBundle', ...(name !== undefined && { name }) },
  ],
}

/** Without a selector a signer's name selects nothing, with an empty one all of its bundles. */
function selected(
  { name, signerName, labelSelector }: ClusterTrustBundleProjection,
  bundles: readonly ClusterTrustBundle[],
): readonly ClusterTrustBundle[] {
  if (name !== undefined)
    return bundles.filter(({ metadata }) => metadata.name === name)
  if (labelSelector === undefined) return []
  const requirements = requirementsOf(labelSelector)
  return bundles.filter(
    ({ metadata, spec }) =>
      spec.signerName === signerName &&
      selectorMatches(requirements, metadata.labels),
  )
}

/**
 * Each certificate once, without comments and headers. A kubelet puts them in an order that
 * changes each time it starts; here it is that of their bytes, so that nobody has to read a
 * file again in which nothing has changed.
 */
function trustAnchors(bundles: readonly ClusterTrustBundle[]): string {
  const blocks = bundles.flatMap(({ spec }) =>
    pemBlocks(Buffer.from(spec.trustBundle)),
  )
  const certificates = new Map(
    blocks.map(({ der }) => [Buffer.from(der).toString('latin1'), der]),
  )
  return [...certificates.values()]
    .sort((a, b) => Buffer.compare(a, b))
    .map(der => encodePem('CERTIFICATE', der))
    .join('')
}
