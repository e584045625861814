import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { lookFromPod, object, volume } from '../helpers/conformance-pod.ts'
import {
  keyVolumeGroupLooks,
  keyVolumeLooks,
  type KeyVolume,
} from '../helpers/key-volume-looks.ts'

/* ConfigMap volumes (C39 to C52) as the processes of a real Pod see them. */

const configMaps: KeyVolume = {
  kind: 'configMap',
  source: volume.configMap,
  ids: {
    plain: 'C39',
    defaultMode: 'C40',
    nonRoot: 'C42',
    items: 'C44',
    itemMode: 'C45',
    itemsNonRoot: 'C46',
    update: 'C48',
    optional: 'C50',
    twoVolumes: 'C51',
    fsGroup: 'C41',
    fsGroupDefault: 'C43',
    fsGroupItems: 'C47',
  },
}

t.test('ConfigMap volumes', { skip: cannotStart() }, async t => {
  const { objects, looks, change } = keyVolumeLooks(configMaps)
  await lookFromPod(t, {
    objects: [
      ...objects,
      object.configMap(
        'binary',
        { 'data-1': 'value-1' },
        { binaryData: { 'dump.bin': '3sr+utD+/w==' } },
      ),
      object.configMap('large', { large: 'x'.repeat(1024 * 1024) }),
    ],
    looks: [
      ...looks,
      {
        ids: 'C49',
        what: 'binaryData byte for byte, beside text',
        volumes: [volume.configMap('binary')],
        see: `od -An -tx1 $V/dump.bin | tr -d ' \\n'; echo; cat $V/data-1`,
        expect: 'decafebad0feff\nvalue-1',
      },
      {
        what: 'a ConfigMap of 1 MiB is whole',
        volumes: [volume.configMap('large')],
        see: 'wc -c < $V/large; tr -d x < $V/large',
        expect: '1048576\n',
      },
    ],
    change,
  })
})

t.test('ConfigMap volumes with fsGroup', { skip: cannotStart() }, async t => {
  await lookFromPod(t, {
    objects: keyVolumeLooks(configMaps).objects,
    spec: { securityContext: { fsGroup: 1001 } },
    looks: keyVolumeGroupLooks(configMaps),
  })
})
