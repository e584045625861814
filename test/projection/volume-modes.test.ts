import t from 'tap'
import { lstat, readdir, readFile, readlink } from 'node:fs/promises'
import type { PodSecurityContext, Volume } from '../../src/api/types.ts'
import { collectPayload } from '../../src/projection/projection.ts'
import {
  AtomicWriter,
  prepareVolumeRoot,
} from '../../src/writer/atomic-writer.ts'
import {
  makeConfigMap,
  makeNode,
  makePod,
  makeSecret,
} from '../helpers/make-objects.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'

/*
 * Volume directories as a real kubelet (v1.34.1) makes them, against projection and writer
 * together. The recording names each entry's kind, mode, uid, gid and, for a link, target.
 */

type Entry = [
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
  readonly entries: Entry[]
}

const recordings = JSON.parse(
  await readFile(
    new URL('../fixtures/kubelet-volume-modes.json', import.meta.url),
    'utf8',
  ),
) as Recording[]

const needsRoot = process.getuid?.() !== 0 && 'needs root, to change owners'

for (const recording of recordings)
  t.test(
    `C04 C06 C18 C30 C41 C57 C70 C82 ${recording.name}: every mode and owner as recorded`,
    { skip: needsRoot },
    async t => {
      const directory = await makeTmpfsDirectory(t)
      const { securityContext } = recording
      const volume = makeVolume(recording)
      const result = collectPayload({
        volume,
        pod: makePod({
          annotations: { a: 'b' },
          spec: { volumes: [volume], securityContext },
        }),
        node: makeNode(),
        secret: name => makeSecret({ name, data: { a: '1', b: '22' } }),
        configMap: name => makeConfigMap({ name, data: { a: '1', b: '22' } }),
        token: () => 'header.payload.signature',
      })
      if (!result.ok) throw new Error(JSON.stringify(result.errors))

      const { fsGroup } = securityContext
      const options = fsGroup === undefined ? {} : { fsGroup }
      await prepareVolumeRoot(directory, options)
      await new AtomicWriter(directory).write(result.payload, options)

      t.strictSame(
        (await listEntries(directory)).sort(byPath),
        recording.entries
          .map(entry => managedRoot(recording, entry))
          .sort(byPath),
      )
    },
  )

function makeVolume(recording: Recording): Volume {
  const defaultMode = Number.parseInt(recording.defaultMode ?? '0644', 8)
  const optional = false
  const downwardAPI = {
    items: [{ path: 'ann', fieldRef: { fieldPath: 'metadata.annotations' } }],
  }
  const volumes: Record<Recording['volume'], Volume> = {
    secret: { name: 'v', secret: { secretName: 's', defaultMode, optional } },
    configmap: { name: 'v', configMap: { name: 'c', defaultMode, optional } },
    'downward-api': { name: 'v', downwardAPI: { ...downwardAPI, defaultMode } },
    projected: {
      name: 'v',
      projected: {
        defaultMode,
        sources: [
          { secret: { name: 's', optional } },
          { downwardAPI },
          { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
        ],
      },
    },
  }
  return volumes[recording.volume]
}

/**
 * The kubelet keeps a ConfigMap volume on the node's disk, where its root was recorded as
 * 0777. podfs has one kind of root for all managed volumes, that of the others.
 */
function managedRoot(recording: Recording, entry: Entry): Entry {
  const [kind, , uid, gid, path] = entry
  return recording.volume === 'configmap' && path === '.'
    ? [kind, '1777', uid, gid, path]
    : entry
}

async function listEntries(directory: string): Promise<Entry[]> {
  // Without withFileTypes, a recursive readdir would follow ..data.
  const found = await readdir(directory, {
    recursive: true,
    withFileTypes: true,
  })
  const paths = [
    '.',
    ...found.map(({ parentPath, name }) =>
      `${parentPath}/${name}`.slice(directory.length + 1),
    ),
  ]
  return Promise.all(
    paths.map(async (path): Promise<Entry> => {
      const stats = await lstat(`${directory}/${path}`)
      const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0')
      const short = path.replace(/^\.\.\d{4}_[\d_]+\.\d+/, '..TS')
      const { uid, gid } = stats
      if (!stats.isSymbolicLink())
        return [stats.isFile() ? 'file' : 'directory', mode, uid, gid, short]
      const target = await readlink(`${directory}/${path}`)
      const shortTarget = target.replace(/^\.\.\d{4}_.*/, '..TS')
      return ['link', mode, uid, gid, `${short} -> ${shortTarget}`]
    }),
  )
}

function byPath(one: Entry, other: Entry): number {
  return one[4] < other[4] ? -1 : 1
}
