import * as sources from './refused-volume-sources.ts'
import {
  labelSelector,
  objectFieldSelector,
  resourceFieldSelector,
} from './selectors.ts'
import {
  emulated,
  listOf,
  one,
  rejected,
  struct,
  supported,
  type FieldSpec,
  type FieldType,
  type StructSpec,
} from './struct.ts'

/** Kubernetes's default for every defaultMode: 0644. */
const defaultMode = supported('int32', { default: 0o644 })
const optional = supported('boolean', { default: false })

const keyToPath = struct('KeyToPath', {
  key: supported('string', { required: true }),
  path: supported('string', { required: true }),
  mode: supported('int32'),
})
const items = supported(listOf(keyToPath))

const downwardAPIVolumeFile = struct('DownwardAPIVolumeFile', {
  path: supported('string', { default: '', required: 'elsewhere' }),
  fieldRef: supported(one(objectFieldSelector)),
  resourceFieldRef: supported(one(resourceFieldSelector)),
  mode: supported('int32'),
})
const downwardItems = supported(listOf(downwardAPIVolumeFile), { default: [] })

const objectProjection = {
  name: supported('string', { required: true }),
  items,
  optional,
}

export const volumeProjection = struct('VolumeProjection', {
  secret: supported(one(struct('SecretProjection', objectProjection))),
  configMap: supported(one(struct('ConfigMapProjection', objectProjection))),
  downwardAPI: supported(
    one(struct('DownwardAPIProjection', { items: downwardItems })),
  ),
  serviceAccountToken: supported(
    one(
      struct('ServiceAccountTokenProjection', {
        audience: supported('string'),
        expirationSeconds: supported('int64', { default: 3600 }),
        path: supported('string', { default: '', required: 'elsewhere' }),
      }),
    ),
  ),
  clusterTrustBundle: supported(
    one(
      struct('ClusterTrustBundleProjection', {
        name: supported('string', { pointer: true }),
        signerName: supported('string', { pointer: true }),
        labelSelector: supported(one(labelSelector)),
        optional: supported('boolean'),
        path: supported('string', { default: '', required: 'elsewhere' }),
      }),
    ),
  ),
  podCertificate: rejected(
    one(
      struct('PodCertificateProjection', {
        signerName: supported('string'),
        keyType: supported('string'),
        maxExpirationSeconds: supported('int32'),
        credentialBundlePath: supported('string'),
        keyPath: supported('string'),
        certificateChainPath: supported('string'),
      }),
    ),
    'there is no signer; put the certificate and its key into a Secret',
  ),
})

const useInstead =
  'use emptyDir for scratch space, or hostPath for a directory of this machine'

function noSuchVolume(
  what: string,
  source: StructSpec,
): FieldSpec<FieldType, 'rejected'> {
  return rejected(
    one(source),
    `podfs cannot attach ${what} volumes: ${useInstead}`,
  )
}

/** Every volume source of v1.34; those that need a cluster, a cloud or a driver are refused. */
export const volume = struct('Volume', {
  name: supported('string', { required: true }),
  secret: supported(
    one(
      struct('SecretVolumeSource', {
        secretName: supported('string', { required: 'elsewhere' }),
        items,
        defaultMode,
        optional,
      }),
    ),
  ),
  configMap: supported(
    one(
      struct('ConfigMapVolumeSource', {
        name: supported('string', { required: 'elsewhere' }),
        items,
        defaultMode,
        optional,
      }),
    ),
  ),
  downwardAPI: supported(
    one(
      struct('DownwardAPIVolumeSource', { items: downwardItems, defaultMode }),
    ),
  ),
  projected: supported(
    one(
      struct('ProjectedVolumeSource', {
        sources: supported(listOf(volumeProjection), { default: [] }),
        defaultMode,
      }),
    ),
  ),
  emptyDir: supported(
    one(
      struct('EmptyDirVolumeSource', {
        medium: supported('string', { default: '' }),
        sizeLimit: supported('quantity'),
      }),
    ),
  ),
  hostPath: supported(
    one(
      struct('HostPathVolumeSource', {
        path: supported('string', { required: 'elsewhere' }),
        type: supported(
          {
            enum: [
              '',
              'BlockDevice',
              'CharDevice',
              'Directory',
              'DirectoryOrCreate',
              'File',
              'FileOrCreate',
              'Socket',
            ],
          },
          { default: '' },
        ),
      }),
    ),
  ),
  persistentVolumeClaim: emulated(
    one(
      struct('PersistentVolumeClaimVolumeSource', {
        claimName: supported('string', { required: 'elsewhere' }),
        readOnly: supported('boolean', { default: false }),
      }),
    ),
    'nothing is claimed: it is a directory of this machine that is kept, /var/lib/podfs/claims/NAMESPACE/NAME',
  ),
  ephemeral: noSuchVolume('ephemeral', sources.ephemeralVolumeSource),
  csi: noSuchVolume('csi', sources.csiVolumeSource),
  nfs: rejected(
    one(sources.nfsVolumeSource),
    'podfs mounts no NFS: mount it on this machine and name its mount point in a hostPath',
  ),
  image: rejected(
    one(sources.imageVolumeSource),
    'podfs pulls no images: unpack it and name the directory in a hostPath',
  ),
  gitRepo: rejected(
    one(sources.gitRepoVolumeSource),
    'Kubernetes has removed it: clone in an init container into an emptyDir',
  ),
  iscsi: noSuchVolume('iscsi', sources.iscsiVolumeSource),
  glusterfs: noSuchVolume('glusterfs', sources.glusterfsVolumeSource),
  rbd: noSuchVolume('rbd', sources.rbdVolumeSource),
  cephfs: noSuchVolume('cephfs', sources.cephFSVolumeSource),
  cinder: noSuchVolume('cinder', sources.cinderVolumeSource),
  fc: noSuchVolume('fc', sources.fcVolumeSource),
  flocker: noSuchVolume('flocker', sources.flockerVolumeSource),
  flexVolume: noSuchVolume('flexVolume', sources.flexVolumeSource),
  gcePersistentDisk: noSuchVolume(
    'gcePersistentDisk',
    sources.gcePersistentDiskVolumeSource,
  ),
  awsElasticBlockStore: noSuchVolume(
    'awsElasticBlockStore',
    sources.awsElasticBlockStoreVolumeSource,
  ),
  azureFile: noSuchVolume('azureFile', sources.azureFileVolumeSource),
  azureDisk: noSuchVolume('azureDisk', sources.azureDiskVolumeSource),
  vsphereVolume: noSuchVolume(
    'vsphereVolume',
    sources.vsphereVirtualDiskVolumeSource,
  ),
  photonPersistentDisk: noSuchVolume(
    'photonPersistentDisk',
    sources.photonPersistentDiskVolumeSource,
  ),
  portworxVolume: noSuchVolume('portworxVolume', sources.portworxVolumeSource),
  scaleIO: noSuchVolume('scaleIO', sources.scaleIOVolumeSource),
  storageos: noSuchVolume('storageos', sources.storageOSVolumeSource),
  quobyte: noSuchVolume('quobyte', sources.quobyteVolumeSource),
})
