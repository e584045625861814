import t from 'tap'

import { parseImageReference } from '../../src/runner/launch/image-reference.ts'

/** `REGISTRY REPOSITORY [TAG] [DIGEST]`; a registry that is written has a `!`. */
const rows = [
  ['busybox', 'docker.io busybox'],
  ['busybox:1.36', 'docker.io busybox 1.36'],
  ['library/busybox', 'docker.io busybox'],
  ['team/library/app', 'docker.io team/library/app'],
  ['team/app:1', 'docker.io team/app 1'],
  ['docker.io/library/busybox:1', '!docker.io busybox 1'],
  ['index.docker.io/library/busybox', '!docker.io busybox'],
  ['ghcr.io/library/busybox', '!ghcr.io library/busybox'],
  ['localhost/app', '!localhost app'],
  ['localhost:5000/team/app', '!localhost:5000 team/app'],
  ['localhost:5000/app:2', '!localhost:5000 app 2'],
  ['registry:5000/app', '!registry:5000 app'],
  ['app@sha256:abc', 'docker.io app sha256:abc'],
  ['ghcr.io/a/b:1@sha256:abc', '!ghcr.io a/b 1 sha256:abc'],
] as const

for (const [text, expected] of rows)
  t.test(text, async t => {
    const { registry, registryWritten, repository, ...rest } =
      parseImageReference(text)
    const flat = [
      `${registryWritten ? '!' : ''}${registry}`,
      repository,
      ...Object.values(rest),
    ]
    t.equal(flat.join(' '), expected)
  })

t.test('what is not written is not there', async t => {
  t.strictSame(Object.keys(parseImageReference('busybox')).toSorted(), [
    'registry',
    'registryWritten',
    'repository',
  ])
  t.match(parseImageReference('a:1@sha256:b'), { tag: '1', digest: 'sha256:b' })
})
