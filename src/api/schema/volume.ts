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
} from './struct.ts'

/** Kubernetes's default for every defaultMode: 0644 (types.go:1460, 1906, 2171, 8211). */
const defaultMode = supported('int32', { default: 0o644 })
const optional = supported('boolean', { default: false })

const keyToPath = struct('KeyToPath', {
  key: supported('string', { required: true }),
  path: supported('string', { required: true }),
  mode: supported('int32'),
})
const items = supported(listOf(keyToPath))

const downwardAPIVolumeFile = struct('DownwardAPIVolumeFile', {
  // Required, but the API server says so of the parent (validation/volumes.ts).
  path: supported('string', { default: '' }),
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

const volumeProjection = struct('VolumeProjection', {
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
        path: supported('string', { default: '' }),
      }),
    ),
  ),
  clusterTrustBundle: rejected(
    one(
      struct('ClusterTrustBundleProjection', {
        name: supported('string'),
        signerName: supported('string'),
        labelSelector: supported(one(labelSelector)),
        optional: supported('boolean'),
        path: supported('string'),
      }),
    ),
    'there is no cluster whose trust bundles could be read; put the certificates into a ConfigMap',
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

function noSuchVolume(what: string): FieldSpec {
  return rejected('any', `podfs cannot attach ${what} volumes: ${useInstead}`)
}

/** Every volume source of v1.34; those that need a cluster, a cloud or a driver are refused. */
export const volume = struct('Volume', {
  name: supported('string', { required: true }),
  secret: supported(
    one(
      struct('SecretVolumeSource', {
        secretName: supported('string', { required: true }),
        items,
        defaultMode,
        optional,
      }),
    ),
  ),
  configMap: supported(
    one(
      struct('ConfigMapVolumeSource', {
        name: supported('string', { required: true }),
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
        sizeLimit: emulated(
          'quantity',
          'a limit is not enforced on the disk of this machine',
        ),
      }),
    ),
  ),
  hostPath: supported(
    one(
      struct('HostPathVolumeSource', {
        path: supported('string', { required: true }),
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
  persistentVolumeClaim: noSuchVolume('persistentVolumeClaim'),
  ephemeral: noSuchVolume('ephemeral'),
  csi: noSuchVolume('csi'),
  nfs: rejected(
    'any',
    'podfs mounts no NFS: mount it on this machine and name its mount point in a hostPath',
  ),
  image: rejected(
    'any',
    'podfs pulls no images: unpack it and name the directory in a hostPath',
  ),
  gitRepo: rejected(
    'any',
    'Kubernetes has removed it: clone in an init container into an emptyDir',
  ),
  iscsi: noSuchVolume('iscsi'),
  glusterfs: noSuchVolume('glusterfs'),
  rbd: noSuchVolume('rbd'),
  cephfs: noSuchVolume('cephfs'),
  cinder: noSuchVolume('cinder'),
  fc: noSuchVolume('fc'),
  flocker: noSuchVolume('flocker'),
  flexVolume: noSuchVolume('flexVolume'),
  gcePersistentDisk: noSuchVolume('gcePersistentDisk'),
  awsElasticBlockStore: noSuchVolume('awsElasticBlockStore'),
  azureFile: noSuchVolume('azureFile'),
  azureDisk: noSuchVolume('azureDisk'),
  vsphereVolume: noSuchVolume('vsphereVolume'),
  photonPersistentDisk: noSuchVolume('photonPersistentDisk'),
  portworxVolume: noSuchVolume('portworxVolume'),
  scaleIO: noSuchVolume('scaleIO'),
  storageos: noSuchVolume('storageos'),
  quobyte: noSuchVolume('quobyte'),
})
