import {
  contentOrAbsent,
  modeAndContent,
  object,
  type Json,
  type Look,
  type LookingPod,
} from './conformance-pod.ts'

/*
 * What is the same for the four ways in which a volume shows the keys of an object: configMap,
 * secret, and projected with either. Each way has ids of its own; where Kubernetes has no such
 * test for one of them, the look is taken all the same.
 */

type KeySource = {
  readonly items?: readonly Json[]
  readonly optional?: boolean
  readonly defaultMode?: number
}

export interface KeyVolume {
  readonly kind: 'configMap' | 'secret'
  readonly source: (name: string, more?: KeySource) => Json
  readonly ids: {
    readonly plain: string
    readonly defaultMode: string
    readonly nonRoot?: string
    readonly items: string
    readonly itemMode: string
    readonly itemsNonRoot?: string
    readonly update?: string
    readonly optional: string
    readonly twoVolumes: string
    readonly fsGroup: string
    readonly fsGroupDefault?: string
    readonly fsGroupItems?: string
  }
}

const values = {
  'data-1': 'value-1',
  'data-2': 'value-2',
  'data-3': 'value-3',
}
const mapped = (more: Json = {}): Json[] => [
  { key: 'data-2', path: 'path/to/data-2', ...more },
]
const seeMapped = `${modeAndContent('path/to/data-2')}; echo; ls $V`

/** The objects and looks of one way, to be put together with others into one Pod. */
export function keyVolumeLooks({ kind, source, ids }: KeyVolume): {
  readonly objects: readonly Json[]
  readonly looks: readonly Look[]
  readonly change: Required<
    Pick<NonNullable<LookingPod['change']>, 'objects' | 'remove'>
  >
} {
  const make = object[kind]
  const name = kind.toLowerCase()
  const live = `${name}-live`
  const optional = (name: string): Json[] => [source(name, { optional: true })]
  const looks: Look[] = [
    {
      ids: ids.plain,
      what: 'a key is a file, 0644',
      volumes: [source(name)],
      see: modeAndContent('data-1'),
      expect: '-rw-r--r--\nvalue-1',
    },
    {
      ids: ids.defaultMode,
      what: 'defaultMode 0400',
      volumes: [source(name, { defaultMode: 0o400 })],
      see: modeAndContent('data-1'),
      expect: '-r--------\nvalue-1',
    },
    {
      ids: ids.nonRoot,
      what: 'another user reads it',
      as: 1000,
      volumes: [source(name)],
      see: `id -u; ${modeAndContent('data-1')}`,
      expect: '1000\n-rw-r--r--\nvalue-1',
    },
    {
      ids: ids.items,
      what: 'items: only what they name, in directories that are made',
      volumes: [source(name, { items: mapped() })],
      see: seeMapped,
      expect: '-rw-r--r--\nvalue-2\npath\n',
    },
    {
      ids: ids.itemMode,
      what: 'items[].mode 0400',
      volumes: [source(name, { items: mapped({ mode: 0o400 }) })],
      see: modeAndContent('path/to/data-2'),
      expect: '-r--------\nvalue-2',
    },
    {
      ids: ids.itemMode,
      what: 'items with defaultMode 0400',
      volumes: [source(name, { items: mapped(), defaultMode: 0o400 })],
      see: modeAndContent('path/to/data-2'),
      expect: '-r--------\nvalue-2',
    },
    {
      ids: ids.itemsNonRoot,
      what: 'items, read by another user',
      as: 1000,
      volumes: [source(name, { items: mapped() })],
      see: seeMapped,
      expect: '-rw-r--r--\nvalue-2\npath\n',
    },
    {
      ids: ids.twoVolumes,
      what: 'one object in two volumes',
      volumes: [source(name), source(name)],
      see: `${modeAndContent('data-1')}; echo; cat $W/data-1`,
      expect: '-rw-r--r--\nvalue-1\nvalue-1',
    },
    {
      ids: ids.plain,
      what: 'read-only, although the volumeMount says readOnly: false',
      volumes: [source(name)],
      mount: { readOnly: false },
      see: '{ echo x > $V/new || rm $V/data-1; } 2>/dev/null || printf refused',
      expect: 'refused',
    },
    {
      ids: ids.update,
      what: 'an update',
      volumes: [source(live)],
      see: 'cat $V/data-1',
      expect: 'value-1',
      after: 'value-2',
    },
    {
      ids: ids.optional,
      what: 'optional: created later',
      volumes: optional('created'),
      see: contentOrAbsent('data-1'),
      expect: 'absent',
      after: 'value-1',
    },
    {
      ids: ids.optional,
      what: 'optional: a key added and one removed',
      volumes: optional('updated'),
      see: `${contentOrAbsent('data-3')}; ${contentOrAbsent('data-1')}`,
      expect: 'absentvalue-1',
      after: 'value-3absent',
    },
    {
      ids: ids.optional,
      what: 'optional: deleted',
      volumes: optional('deleted'),
      see: contentOrAbsent('data-1'),
      expect: 'value-1',
      after: 'absent',
    },
  ]
  return {
    looks: looks.map(look => ({ ...look, what: `${kind}: ${look.what}` })),
    objects: [
      make(name, values),
      make(live, { 'data-1': 'value-1' }),
      make('updated', { 'data-1': 'value-1' }),
      make('deleted', { 'data-1': 'value-1' }),
    ],
    change: {
      objects: [
        make(live, { 'data-1': 'value-2' }),
        make('created', { 'data-1': 'value-1' }),
        make('updated', { 'data-3': 'value-3' }),
      ],
      remove: ['deleted'],
    },
  }
}

/** With fsGroup 1001 in the Pod, read by user 1000. */
export function keyVolumeGroupLooks({ kind, source, ids }: KeyVolume): Look[] {
  const name = kind.toLowerCase()
  const looks: Look[] = [
    {
      ids: ids.fsGroup,
      what: 'defaultMode 0440 and fsGroup: its members read',
      volumes: [source(name, { defaultMode: 0o440 })],
      see: `${modeAndContent('data-1')}; stat -L -c ' %u:%g' $V/data-1`,
      expect: '-r--r-----\nvalue-1 0:1001\n',
    },
    {
      ids: ids.fsGroupDefault,
      what: '0644 stays 0644 with fsGroup',
      volumes: [source(name)],
      see: modeAndContent('data-1'),
      expect: '-rw-r--r--\nvalue-1',
    },
    {
      ids: ids.fsGroupItems,
      what: 'items and fsGroup',
      volumes: [source(name, { items: mapped() })],
      see: 'cat $V/path/to/data-2',
      expect: 'value-2',
    },
  ]
  return looks.map(look => ({
    ...look,
    what: `${kind}: ${look.what}`,
    as: 1000,
  }))
}
