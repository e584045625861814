import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { lookFromPod, object, volume } from '../helpers/conformance-pod.ts'
import {
  keyVolumeGroupLooks,
  keyVolumeLooks,
  type KeyVolume,
} from '../helpers/key-volume-looks.ts'

/* Secret volumes (C55 to C62) as the processes of a real Pod see them. */

const secrets: KeyVolume = {
  kind: 'secret',
  source: volume.secret,
  ids: {
    plain: 'C55',
    defaultMode: 'C56',
    items: 'C58',
    itemMode: 'C59',
    optional: 'C62',
    twoVolumes: 'C61',
    fsGroup: 'C57',
  },
}

t.test('Secret volumes', { skip: cannotStart() }, async t => {
  const { objects, looks, change } = keyVolumeLooks(secrets)
  await lookFromPod(t, {
    objects: [
      ...objects,
      object.secret('same-name', { 'data-1': 'value-1' }),
      object.secret(
        'same-name',
        { 'data-1': 'of-others', 'data-2': 'of-others' },
        { metadata: { name: 'same-name', namespace: 'other' } },
      ),
    ],
    looks: [
      ...looks,
      {
        ids: 'C58',
        what: 'items: a key under another name',
        volumes: [
          volume.secret('secret', {
            items: [{ key: 'data-1', path: 'new-path-data-1' }],
          }),
        ],
        see: 'stat -L -c %A $V/new-path-data-1; cat $V/new-path-data-1; echo; ls $V',
        expect: '-rw-r--r--\nvalue-1\nnew-path-data-1\n',
      },
      {
        ids: 'C21 C60',
        what: 'a Secret of the same name in another namespace is another one',
        volumes: [
          volume.secret('same-name'),
          volume.projected([{ secret: { name: 'same-name' } }]),
        ],
        see: 'ls $V; cat $V/data-1; echo; ls $W; cat $W/data-1',
        expect: 'data-1\nvalue-1\ndata-1\nvalue-1',
      },
    ],
    change,
  })
})

t.test('Secret volumes with fsGroup', { skip: cannotStart() }, async t => {
  await lookFromPod(t, {
    objects: keyVolumeLooks(secrets).objects,
    spec: { securityContext: { fsGroup: 1001 } },
    looks: keyVolumeGroupLooks(secrets),
  })
})
