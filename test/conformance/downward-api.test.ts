import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { lookFromPod, volume } from '../helpers/conformance-pod.ts'
import {
  downwardGroupLooks,
  downwardLooks,
  downwardPod,
  type DownwardVolume,
} from '../helpers/downward-volume-looks.ts'

/* Downward API volumes (C66 to C78) as the processes of a real Pod see them. */

const downward: DownwardVolume = {
  source: volume.downwardAPI,
  ids: {
    podName: 'C66',
    defaultMode: 'C67',
    itemMode: 'C68',
    fsGroup: 'C69',
    fsGroupMode: 'C70',
    labels: 'C71',
    annotations: 'C72',
    cpuLimit: 'C73',
    memoryLimit: 'C74',
    cpuRequest: 'C75',
    memoryRequest: 'C76',
    cpuAllocatable: 'C77',
    memoryAllocatable: 'C78',
  },
}

t.test('downward API volumes', { skip: cannotStart() }, async t => {
  await lookFromPod(t, {
    metadata: downwardPod.metadata,
    containers: downwardPod.containers,
    looks: downwardLooks(downward),
    change: { metadata: downwardPod.changedMetadata },
  })
})

t.test(
  'downward API volumes with fsGroup',
  { skip: cannotStart() },
  async t => {
    await lookFromPod(t, {
      metadata: downwardPod.metadata,
      spec: { securityContext: { fsGroup: 1001 } },
      looks: downwardGroupLooks(downward),
    })
  },
)

t.test('to the byte', { skip: cannotStart() }, async t => {
  const annotations = {
    bell: '\u0007\b\f\n\r\t\u000b',
    control: '\u0001\u007f',
    'example.com/quote': 'say "\\"',
    letters: 'grüße 日本 🙂',
    spaces: '\u00a0\u2028\u3000',
    unassigned: '\u{e0001}',
  }
  const item = (path: string, fieldPath: string) => ({
    path,
    fieldRef: { fieldPath },
  })
  const divided = (path: string, resource: string, divisor: string) => ({
    path,
    resourceFieldRef: { containerName: 'client-container', resource, divisor },
  })
  await lookFromPod(t, {
    metadata: {
      name: 'bytes',
      namespace: 'ns',
      uid: '6b1d8c1c-5c22-4fd4-a6f7-4d4c7d2bd0a1',
      annotations,
    },
    containers: downwardPod.containers,
    looks: [
      {
        what: 'annotations are quoted as Go quotes, keys sorted by their bytes',
        volumes: [
          volume.downwardAPI([item('annotations', 'metadata.annotations')]),
        ],
        see: 'cat $V/annotations',
        expect: String.raw`bell="\a\b\f\n\r\t\v"
control="\x01\x7f"
example.com/quote="say \"\\\""
letters="grüße 日本 🙂"
spaces="\u00a0\u2028\u3000"
unassigned="\U000e0001"`,
      },
      {
        what: 'no labels: an empty file',
        volumes: [volume.downwardAPI([item('labels', 'metadata.labels')])],
        see: 'wc -c < $V/labels',
        expect: '0\n',
      },
      {
        what: 'one annotation is not quoted; one that is not there is empty',
        volumes: [
          volume.downwardAPI([
            item('one', "metadata.annotations['example.com/quote']"),
            item('none', "metadata.annotations['none']"),
          ]),
        ],
        see: 'cat $V/one; wc -c < $V/none',
        expect: 'say "\\"0\n',
      },
      {
        what: 'namespace and uid',
        volumes: [
          volume.downwardAPI([
            item('namespace', 'metadata.namespace'),
            item('uid', 'metadata.uid'),
          ]),
        ],
        see: 'cat $V/namespace; echo; cat $V/uid',
        expect: 'ns\n6b1d8c1c-5c22-4fd4-a6f7-4d4c7d2bd0a1',
      },
      {
        what: 'divisors round up',
        volumes: [
          volume.downwardAPI([
            divided('cpu', 'limits.cpu', '1m'),
            divided('mebi', 'limits.memory', '1Mi'),
            divided('mega', 'limits.memory', '1M'),
            divided('giga', 'limits.memory', '1G'),
          ]),
        ],
        see: 'cd $V; for f in cpu mebi mega giga; do cat $f; echo; done',
        expect: '1250\n128\n135\n1\n',
      },
      {
        what: 'a path in directories, cleaned',
        volumes: [volume.downwardAPI([item('a//b/./c', 'metadata.name')])],
        see: 'cat $V/a/b/c',
        expect: 'bytes',
      },
    ],
  })
})
