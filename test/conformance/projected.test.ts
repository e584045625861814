import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { lookFromPod, object, volume } from '../helpers/conformance-pod.ts'
import {
  downwardGroupLooks,
  downwardLooks,
  downwardPod,
  type DownwardVolume,
} from '../helpers/downward-volume-looks.ts'
import {
  keyVolumeGroupLooks,
  keyVolumeLooks,
  type KeyVolume,
} from '../helpers/key-volume-looks.ts'

/* Projected volumes (C01 to C38) as the processes of a real Pod see them. */

const configMaps: KeyVolume = {
  kind: 'configMap',
  source: (name, { defaultMode, ...more } = {}) =>
    volume.projected([{ configMap: { name, ...more } }], {
      ...(defaultMode !== undefined && { defaultMode }),
    }),
  ids: {
    plain: 'C02',
    defaultMode: 'C03',
    nonRoot: 'C05',
    items: 'C07',
    itemMode: 'C08',
    itemsNonRoot: 'C09',
    update: 'C11',
    optional: 'C12',
    twoVolumes: 'C13',
    fsGroup: 'C04',
    fsGroupDefault: 'C06',
    fsGroupItems: 'C10',
  },
}
const secrets: KeyVolume = {
  kind: 'secret',
  source: (name, { defaultMode, ...more } = {}) =>
    volume.projected([{ secret: { name, ...more } }], {
      ...(defaultMode !== undefined && { defaultMode }),
    }),
  ids: {
    plain: 'C16',
    defaultMode: 'C17',
    items: 'C19',
    itemMode: 'C20',
    optional: 'C23',
    twoVolumes: 'C22',
    fsGroup: 'C18',
  },
}
const downward: DownwardVolume = {
  source: (items, more = {}) =>
    volume.projected([{ downwardAPI: { items } }], more),
  ids: {
    podName: 'C26',
    defaultMode: 'C27',
    itemMode: 'C28',
    fsGroup: 'C29',
    fsGroupMode: 'C30',
    labels: 'C31',
    annotations: 'C32',
    cpuLimit: 'C33',
    memoryLimit: 'C34',
    cpuRequest: 'C35',
    memoryRequest: 'C36',
    cpuAllocatable: 'C37',
    memoryAllocatable: 'C38',
  },
}

t.test('projected volumes', { skip: cannotStart() }, async t => {
  const ofConfigMaps = keyVolumeLooks(configMaps)
  const ofSecrets = keyVolumeLooks(secrets)
  await lookFromPod(t, {
    metadata: downwardPod.metadata,
    containers: downwardPod.containers,
    objects: [
      ...ofConfigMaps.objects,
      ...ofSecrets.objects,
      object.configMap('all', { 'configmap-data': 'configmap-value-1' }),
      object.secret('all', { 'secret-data': 'secret-value-1' }),
    ],
    looks: [
      {
        ids: 'C01',
        what: 'downwardAPI, Secret and ConfigMap in one volume, read-only',
        volumes: [
          volume.projected([
            {
              downwardAPI: {
                items: [
                  {
                    path: 'podname',
                    fieldRef: { fieldPath: 'metadata.name' },
                  },
                ],
              },
            },
            { secret: { name: 'all' } },
            { configMap: { name: 'all' } },
          ]),
        ],
        mount: { readOnly: false },
        see: 'cd $V; for f in podname secret-data configmap-data; do cat $f; echo; done; { echo x > new; } 2>/dev/null || printf refused',
        expect: 'downward-pod\nsecret-value-1\nconfigmap-value-1\nrefused',
      },
      {
        what: 'of two sources with the same path the later one counts',
        volumes: [
          volume.projected([
            { secret: { name: 'secret' } },
            {
              configMap: {
                name: 'all',
                items: [{ key: 'configmap-data', path: 'data-1' }],
              },
            },
          ]),
        ],
        see: 'cat $V/data-1; cat $V/data-2',
        expect: 'configmap-value-1value-2',
      },
      ...ofConfigMaps.looks,
      ...ofSecrets.looks,
      ...downwardLooks(downward),
    ],
    change: {
      objects: [...ofConfigMaps.change.objects, ...ofSecrets.change.objects],
      remove: ['deleted'],
      metadata: downwardPod.changedMetadata,
    },
  })
})

t.test('projected volumes with fsGroup', { skip: cannotStart() }, async t => {
  await lookFromPod(t, {
    metadata: downwardPod.metadata,
    objects: [
      ...keyVolumeLooks(configMaps).objects,
      ...keyVolumeLooks(secrets).objects,
    ],
    spec: { securityContext: { fsGroup: 1001 } },
    looks: [
      ...keyVolumeGroupLooks(configMaps),
      ...keyVolumeGroupLooks(secrets),
      ...downwardGroupLooks(downward),
    ],
  })
})
