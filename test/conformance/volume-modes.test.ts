import { readFile } from 'node:fs/promises'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import type { PodSecurityContext } from '../../src/api/types.ts'
import {
  lookFromPod,
  object,
  volume,
  type Json,
  type Look,
} from '../helpers/conformance-pod.ts'

/*
 * Volume directories as a real kubelet (v1.34.1) makes them and as a container sees them. The
 * recording has each entry's kind, mode, uid, gid and, for a link, its target.
 */

type Entry = readonly [
  kind: string,
  mode: string,
  uid: number,
  gid: number,
  path: string,
]

interface Recording {
  readonly name: string
  readonly volume: 'secret' | 'configmap' | 'projected' | 'downward-api'
  readonly securityContext: PodSecurityContext
  readonly defaultMode: string | null
  readonly entries: readonly Entry[]
}

const recordings = JSON.parse(
  await readFile(
    new URL('../fixtures/kubelet-volume-modes.json', import.meta.url),
    'utf8',
  ),
) as Recording[]

const kinds: Readonly<Record<string, string>> = {
  file: 'regular file',
  directory: 'directory',
  link: 'symbolic link',
}

/** Per security context: the behaviour, and what `id` said in the recorded container. */
const identities = new Map([
  ['{}', { ids: 'C82', id: 'uid=0 gid=0 groups=0' }],
  ['{"fsGroup":2000}', { ids: 'C82', id: 'uid=0 gid=0 groups=0,2000' }],
  ['{"runAsUser":1000}', { ids: 'C82', id: 'uid=1000 gid=0 groups=0' }],
  [
    '{"fsGroup":2000,"runAsGroup":3000,"runAsUser":1000}',
    { ids: 'C82', id: 'uid=1000 gid=3000 groups=2000,3000' },
  ],
])

for (const [context, { ids, id }] of identities)
  t.test(`security context ${context}`, { skip: cannotStart() }, async t => {
    const looks = recordings
      .filter(
        ({ securityContext }) => JSON.stringify(securityContext) === context,
      )
      .map(recording => listing(ids, recording))
    t.ok(looks.length > 0)
    await lookFromPod(t, {
      metadata: { annotations: { a: 'b' } },
      objects: [
        object.secret('s', { a: '1', b: '22' }),
        object.configMap('c', { a: '1', b: '22' }),
      ],
      spec: { securityContext: JSON.parse(context) as Json },
      looks: [
        {
          ids,
          what: 'the process is who it was there',
          see: `echo "uid=$(id -u) gid=$(id -g) groups=$(id -G | tr ' ' '\\n' | sort -n | tr '\\n' ',' | sed 's/,$//')"`,
          expect: `${id}\n`,
        },
        ...looks,
      ],
    })
  })

function listing(ids: string, recording: Recording): Look {
  return {
    ...(recording.volume === 'projected' && { ids }),
    what: `${recording.name}: every mode and owner as recorded`,
    volumes: [makeVolume(recording)],
    see: String.raw`cd $V; find . | while read -r path; do
target=$(readlink "$path" || :)
stat -c "%F %a %u:%g $path$target" "$path"
done | sed 's/\.\.[0-9_]*\.[0-9][0-9]*/..TS/g' | LC_ALL=C sort`,
    expect: recording.entries
      .map(formatEntry)
      .sort((one, other) => (one < other ? -1 : 1))
      .join(''),
  }
}

function formatEntry([kind, mode, uid, gid, path]: Entry): string {
  const [name = '', target = ''] = path.split(' -> ')
  const shown = name === '.' ? '.' : `./${name}`
  return `${kinds[kind]} ${mode.replace(/^0/, '')} ${uid}:${gid} ${shown}${target}\n`
}

function makeVolume({ volume: kind, defaultMode }: Recording): Json {
  const more =
    defaultMode === null ? {} : { defaultMode: Number.parseInt(defaultMode, 8) }
  const items = [
    { path: 'ann', fieldRef: { fieldPath: 'metadata.annotations' } },
  ]
  const volumes: Record<Recording['volume'], Json> = {
    secret: volume.secret('s', more),
    configmap: volume.configMap('c', more),
    'downward-api': volume.downwardAPI(items, more),
    projected: volume.projected(
      [
        { secret: { name: 's' } },
        { downwardAPI: { items } },
        { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
      ],
      more,
    ),
  }
  return volumes[kind]
}
