import { objectMeta } from './metadata.ts'
import { labelSelector, localObjectReference } from './selectors.ts'
import { one, stringMap, strings, struct, supported } from './struct.ts'

/**
 * The volume sources that need a cluster, a cloud or a driver. podfs refuses them as a whole
 * (volume.ts); their fields are here, in the order of their names, so that unknown and mistyped
 * ones are found as an API server finds them, and for `podfs explain` and docs/fields.md.
 */
const typedLocalObjectReference = struct('TypedLocalObjectReference', {
  apiGroup: supported('string'),
  kind: supported('string'),
  name: supported('string'),
})

const typedObjectReference = struct('TypedObjectReference', {
  apiGroup: supported('string'),
  kind: supported('string'),
  name: supported('string'),
  namespace: supported('string'),
})

const volumeResourceRequirements = struct('VolumeResourceRequirements', {
  limits: supported({ map: 'quantity' }),
  requests: supported({ map: 'quantity' }),
})

const persistentVolumeClaimSpec = struct('PersistentVolumeClaimSpec', {
  accessModes: supported(strings),
  dataSource: supported(one(typedLocalObjectReference)),
  dataSourceRef: supported(one(typedObjectReference)),
  resources: supported(one(volumeResourceRequirements)),
  selector: supported(one(labelSelector)),
  storageClassName: supported('string'),
  volumeAttributesClassName: supported('string'),
  volumeMode: supported('string'),
  volumeName: supported('string'),
})

const persistentVolumeClaimTemplate = struct('PersistentVolumeClaimTemplate', {
  metadata: supported(one(objectMeta)),
  spec: supported(one(persistentVolumeClaimSpec)),
})

export const ephemeralVolumeSource = struct('EphemeralVolumeSource', {
  volumeClaimTemplate: supported(one(persistentVolumeClaimTemplate)),
})

export const csiVolumeSource = struct('CSIVolumeSource', {
  driver: supported('string'),
  fsType: supported('string'),
  nodePublishSecretRef: supported(one(localObjectReference)),
  readOnly: supported('boolean'),
  volumeAttributes: supported(stringMap),
})

export const nfsVolumeSource = struct('NFSVolumeSource', {
  path: supported('string'),
  readOnly: supported('boolean'),
  server: supported('string'),
})

export const imageVolumeSource = struct('ImageVolumeSource', {
  pullPolicy: supported('string'),
  reference: supported('string'),
})

export const gitRepoVolumeSource = struct('GitRepoVolumeSource', {
  directory: supported('string'),
  repository: supported('string'),
  revision: supported('string'),
})

export const iscsiVolumeSource = struct('ISCSIVolumeSource', {
  chapAuthDiscovery: supported('boolean'),
  chapAuthSession: supported('boolean'),
  fsType: supported('string'),
  initiatorName: supported('string'),
  iqn: supported('string'),
  iscsiInterface: supported('string'),
  lun: supported('int32'),
  portals: supported(strings),
  readOnly: supported('boolean'),
  secretRef: supported(one(localObjectReference)),
  targetPortal: supported('string'),
})

export const glusterfsVolumeSource = struct('GlusterfsVolumeSource', {
  endpoints: supported('string'),
  path: supported('string'),
  readOnly: supported('boolean'),
})

export const rbdVolumeSource = struct('RBDVolumeSource', {
  fsType: supported('string'),
  image: supported('string'),
  keyring: supported('string'),
  monitors: supported(strings),
  pool: supported('string'),
  readOnly: supported('boolean'),
  secretRef: supported(one(localObjectReference)),
  user: supported('string'),
})

export const cephFSVolumeSource = struct('CephFSVolumeSource', {
  monitors: supported(strings),
  path: supported('string'),
  readOnly: supported('boolean'),
  secretFile: supported('string'),
  secretRef: supported(one(localObjectReference)),
  user: supported('string'),
})

export const cinderVolumeSource = struct('CinderVolumeSource', {
  fsType: supported('string'),
  readOnly: supported('boolean'),
  secretRef: supported(one(localObjectReference)),
  volumeID: supported('string'),
})

export const fcVolumeSource = struct('FCVolumeSource', {
  fsType: supported('string'),
  lun: supported('int32'),
  readOnly: supported('boolean'),
  targetWWNs: supported(strings),
  wwids: supported(strings),
})

export const flockerVolumeSource = struct('FlockerVolumeSource', {
  datasetName: supported('string'),
  datasetUUID: supported('string'),
})

export const flexVolumeSource = struct('FlexVolumeSource', {
  driver: supported('string'),
  fsType: supported('string'),
  options: supported(stringMap),
  readOnly: supported('boolean'),
  secretRef: supported(one(localObjectReference)),
})

export const gcePersistentDiskVolumeSource = struct(
  'GCEPersistentDiskVolumeSource',
  {
    fsType: supported('string'),
    partition: supported('int32'),
    pdName: supported('string'),
    readOnly: supported('boolean'),
  },
)

export const awsElasticBlockStoreVolumeSource = struct(
  'AWSElasticBlockStoreVolumeSource',
  {
    fsType: supported('string'),
    partition: supported('int32'),
    readOnly: supported('boolean'),
    volumeID: supported('string'),
  },
)

export const azureFileVolumeSource = struct('AzureFileVolumeSource', {
  readOnly: supported('boolean'),
  secretName: supported('string'),
  shareName: supported('string'),
})

export const azureDiskVolumeSource = struct('AzureDiskVolumeSource', {
  cachingMode: supported('string'),
  diskName: supported('string'),
  diskURI: supported('string'),
  fsType: supported('string'),
  kind: supported('string'),
  readOnly: supported('boolean'),
})

export const vsphereVirtualDiskVolumeSource = struct(
  'VsphereVirtualDiskVolumeSource',
  {
    fsType: supported('string'),
    storagePolicyID: supported('string'),
    storagePolicyName: supported('string'),
    volumePath: supported('string'),
  },
)

export const photonPersistentDiskVolumeSource = struct(
  'PhotonPersistentDiskVolumeSource',
  {
    fsType: supported('string'),
    pdID: supported('string'),
  },
)

export const portworxVolumeSource = struct('PortworxVolumeSource', {
  fsType: supported('string'),
  readOnly: supported('boolean'),
  volumeID: supported('string'),
})

export const scaleIOVolumeSource = struct('ScaleIOVolumeSource', {
  fsType: supported('string'),
  gateway: supported('string'),
  protectionDomain: supported('string'),
  readOnly: supported('boolean'),
  secretRef: supported(one(localObjectReference)),
  sslEnabled: supported('boolean'),
  storageMode: supported('string'),
  storagePool: supported('string'),
  system: supported('string'),
  volumeName: supported('string'),
})

export const storageOSVolumeSource = struct('StorageOSVolumeSource', {
  fsType: supported('string'),
  readOnly: supported('boolean'),
  secretRef: supported(one(localObjectReference)),
  volumeName: supported('string'),
  volumeNamespace: supported('string'),
})

export const quobyteVolumeSource = struct('QuobyteVolumeSource', {
  group: supported('string'),
  readOnly: supported('boolean'),
  registry: supported('string'),
  tenant: supported('string'),
  user: supported('string'),
  volume: supported('string'),
})
