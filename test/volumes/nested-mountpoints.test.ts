import t from 'tap'
import { nestedMountpoints } from '../../src/volumes/nested-mountpoints.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

type Mounts = readonly (readonly [volume: string, mountPath: string])[]

const cases: {
  name: string
  containers: readonly Mounts[]
  nested: string[]
}[] = [
  {
    name: 'none',
    containers: [
      [
        ['v', '/etc/app'],
        ['w', '/etc/other'],
      ],
    ],
    nested: [],
  },
  {
    name: 'one inside',
    containers: [
      [
        ['v', '/etc/app'],
        ['w', '/etc/app/tls'],
      ],
    ],
    nested: ['tls'],
  },
  {
    name: 'deep',
    containers: [
      [
        ['v', '/etc/app/'],
        ['w', '/etc/app/a/b'],
      ],
    ],
    nested: ['a/b'],
  },
  {
    name: 'only the outermost',
    containers: [
      [
        ['v', '/a'],
        ['w', '/a/b'],
        ['x', '/a/b/c'],
      ],
    ],
    nested: ['b'],
  },
  {
    name: 'a name that begins alike is not inside',
    containers: [
      [
        ['v', '/a'],
        ['w', '/a/b'],
        ['x', '/a/bc'],
        ['y', '/ab'],
      ],
    ],
    nested: ['b', 'bc'],
  },
  {
    name: 'of each container by itself',
    containers: [
      [
        ['v', '/a'],
        ['w', '/a/b'],
      ],
      [
        ['v', '/c'],
        ['w', '/c/d'],
      ],
      [['w', '/a/e']],
    ],
    nested: ['b', 'd'],
  },
  {
    name: 'reserved names',
    containers: [
      [
        ['v', '/a'],
        ['w', '/a/..b'],
      ],
    ],
    nested: [],
  },
]

for (const { name, containers, nested } of cases)
  t.test(name, async t => {
    const pod = makePod({
      spec: {
        containers: containers.map(mounts =>
          makeContainer({
            volumeMounts: mounts.map(([name, mountPath]) => ({
              name,
              mountPath,
              readOnly: false,
            })),
          }),
        ),
      },
    })
    t.strictSame(nestedMountpoints('v', pod), nested)
  })
