import t from 'tap'

import type { Container } from '../../src/api/types.ts'
import {
  containerArgv,
  createImageMap,
  findImage,
  parseImageFlag,
  unknownImages,
} from '../../src/runner/launch/images.ts'
import { imageFlag } from '../../src/runner/launch/suggest-command.ts'
import { splitShellWords } from '../../src/runner/launch/shell-words.ts'
import { makeContainer } from '../helpers/make-objects.ts'

const none = createImageMap()

t.test('the built-in map knows its images under any registry', async t => {
  const cases = [
    ['busybox', 'busybox'],
    ['busybox:1.36', 'busybox'],
    ['docker.io/library/busybox', 'busybox'],
    ['docker.io/busybox@sha256:abc', 'busybox'],
    ['k8s.gcr.io/busybox', 'busybox'],
    ['localhost:5000/busybox:x', 'busybox'],
    [
      'registry.k8s.io/e2e-test-images/busybox:1.29-4',
      'e2e-test-images/busybox',
    ],
    ['registry.k8s.io/pause:3.9', 'pause'],
    ['nginx:1.27-alpine', 'nginx'],
    ['team/nginx', undefined],
    ['localhost/busybox', 'busybox'],
    ['docker.io/team/busybox', undefined],
    ['mybusybox', undefined],
    ['busybox/other', undefined],
  ] as const
  for (const [image, pattern] of cases) {
    t.equal(findImage(none, image)?.pattern, pattern, image)
  }
})

t.test('the most specific pattern wins, the user before the map', async t => {
  const patterns = [
    '*',
    '*app*',
    'ghcr.io/',
    'ghcr.io/team/',
    'app',
    'ghcr.io/team/app',
    'ghcr.io/team/app:1',
  ]
  const images = createImageMap(patterns.map(pattern => ({ pattern })))
  const cases = [
    ['ghcr.io/team/app:1', 'ghcr.io/team/app:1'],
    ['ghcr.io/team/app:2', 'ghcr.io/team/app'],
    ['ghcr.io/team/other', 'ghcr.io/team/'],
    ['ghcr.io/else', 'ghcr.io/'],
    ['quay.io/app', 'app'],
    ['quay.io/my-app:3', '*app*'],
    ['busybox', '*'],
  ] as const
  for (const [image, pattern] of cases) {
    t.equal(findImage(images, image)?.pattern, pattern, image)
  }
  const twice = createImageMap([
    { pattern: 'x', entrypoint: ['one'] },
    { pattern: 'x', entrypoint: ['two'] },
  ])
  t.same(findImage(twice, 'x')?.entrypoint, ['two'], 'the later of equals')
})

t.test('a pattern says as much as it says', async t => {
  const rows = [
    ['a/b', 'a/b:1', true],
    ['a/b', 'ghcr.io/a/b@sha256:x', true],
    ['ghcr.io/a/b', 'a/b', false],
    ['ghcr.io/a/b', 'quay.io/a/b', false],
    ['a/b:1', 'ghcr.io/a/b:1', true],
    ['a/b:1', 'a/b:2', false],
    ['a/b:1', 'a/b', false],
    ['a/b@sha256:x', 'a/b:1@sha256:x', true],
    ['a/b@sha256:x', 'a/b@sha256:y', false],
    ['a/b@sha256:x', 'a/b', false],
    ['a/', 'a/b', true],
    ['a/', 'ghcr.io/a/b', true],
    ['b/', 'ghcr.io/a/b', false],
    ['docker.io/a/', 'a/b', true],
    ['a/?', 'ghcr.io/a/b:1', true],
    ['a/?', 'a/bc', false],
    ['?', '.', true],
    ['a.b/*', 'a.b/c', true],
    ['a.b/*', 'axb/c', false],
    ['*:1', 'a/b:1', true],
    ['*:1', 'a/b', false],
    ['a/b:?', 'ghcr.io/a/b:1', true],
    ['ghcr.io/a/b:?', 'ghcr.io/a/b:1@sha256:x', true],
    ['docker.io/b:?', 'b:1@sha256:x', true],
    ['docker.io/?', 'b', true],
    ['*x', 'x@sha256:y', true],
    ['*y', 'x@sha256:y', true],
    ['x*z', 'x@sha256:y', false],
  ] as const
  for (const [pattern, image, matches] of rows)
    t.equal(
      findImage(createImageMap([{ pattern }]), image)?.pattern === pattern,
      matches,
      `${pattern}: ${image}`,
    )
})

t.test('the more a pattern says, the sooner it is taken', async t => {
  const rows = [
    ['*', 'a*'],
    ['*b*', 'a/'],
    ['a/', 'a/b'],
    ['a/b', 'ghcr.io/a/b'],
    ['ghcr.io/a/b', 'a/b:1'],
    ['a/b:1', 'ghcr.io/a/b:1'],
    ['ghcr.io/a/b:1', 'a/b@sha256:x'],
    ['a/b@sha256:x', 'a/b:1@sha256:x'],
  ] as const
  for (const [less, more] of rows)
    for (const patterns of [
      [less, more],
      [more, less],
    ]) {
      const images = createImageMap(patterns.map(pattern => ({ pattern })))
      const found = findImage(images, 'ghcr.io/a/b:1@sha256:x')?.pattern
      t.equal(found, more, patterns.join(' '))
    }
})

t.test('another command for busybox still has its shell', async t => {
  const images = createImageMap([parseImageFlag('busybox=sh -c x')])
  t.equal(findImage(images, 'busybox:1')?.busybox, true)
  t.equal(
    findImage(createImageMap([{ pattern: '*' }]), 'x')?.busybox,
    undefined,
  )
})

t.test('C123 C124 C125 C126: command and args over the image', async t => {
  const entry = { pattern: 'x', entrypoint: ['ep'], args: ['d1', 'd2'] }
  const cases = [
    [{}, ['ep', 'd1', 'd2']],
    [{ args: ['a'] }, ['ep', 'a']],
    [{ command: ['c'] }, ['c']],
    [{ command: ['c'], args: ['a'] }, ['c', 'a']],
    [{ command: ['$(V)'], args: ['$(V) $(NO)'] }, ['v', 'v $(NO)']],
  ] as const
  const env = new Map([['V', 'v']])
  for (const [options, expected] of cases) {
    t.same(containerArgv(makeContainer(options), entry, env), expected)
  }
  const busybox = makeContainer({ args: ['sleep', '1'] })
  t.same(containerArgv(busybox, findImage(none, 'busybox'), env), [
    'sleep',
    '1',
  ])
  t.same(
    containerArgv(makeContainer({ args: ['a'] }), { pattern: 'x' }, env),
    ['a'],
    'an image of which only that is known, that its args say it',
  )
  t.throws(() => containerArgv(makeContainer(), { pattern: 'x' }, env), {
    code: 'IMAGE_UNKNOWN',
  })
})

t.test('an unknown image prints the flag to type', async t => {
  const unknown = makeContainer({ image: 'quay.io/a/b:1', args: ['x'] })
  t.throws(() => containerArgv(unknown, undefined, new Map()), {
    code: 'IMAGE_UNKNOWN',
    message:
      'no program of this machine is known for the image "quay.io/a/b:1"',
  })
  const known = makeContainer({ image: 'quay.io/a/b:1', command: ['x'] })
  t.match(
    unknownImages(
      { initContainers: [unknown], containers: [known] },
      none,
      name => name === 'x',
    ),
    [
      {
        fieldPath: 'spec.initContainers[0].image',
        fix: "--image 'quay.io/a/b:1=x'",
      },
    ],
    'what another container calls in it',
  )
  t.same(containerArgv(known, undefined, new Map()), ['x'])
  t.strictSame(
    unknownImages(
      { initContainers: [known], containers: [known, unknown, unknown] },
      none,
      () => false,
    ),
    [
      {
        fieldPath: 'spec.containers[1].image',
        message:
          'no program of this machine is known for the image "quay.io/a/b:1"',
        fix: "--image 'quay.io/a/b:1=COMMAND', with a program of this machine for COMMAND, such as 'node server.js'",
      },
    ],
    'told once for each image',
  )
})

t.test('the flag names a program of this machine', async t => {
  const machine = new Set([
    'postgres',
    'valkey-server',
    'python3',
    'node',
    'nginx',
    'sh',
    '/bin/bash',
    '/opt/my app/run',
    'odd',
  ])
  const other = (image: string, command: string) =>
    makeContainer({ name: 'other', image, command: [command] })
  const cases: readonly (readonly [Partial<Container>, string, Container?])[] =
    [
      [{ image: 'postgres:16' }, "--image 'postgres:16=postgres'"],
      [
        { image: 'docker.io/bitnami/postgresql@sha256:abc' },
        "--image 'docker.io/bitnami/postgresql@sha256:abc=postgres'",
      ],
      [{ image: 'redis' }, "--image 'redis=valkey-server'"],
      [{ image: 'python:3.12-slim' }, "--image 'python:3.12-slim=python3'"],
      [
        { image: 'registry:5000/team/odd' },
        "--image 'registry:5000/team/odd=odd'",
      ],
      [
        { image: 'nginxinc/nginx' },
        String.raw`--image 'nginxinc/nginx=nginx -g '\''daemon off;'\'''`,
      ],
      [
        { image: 'redis', args: ['node', 'x.js'] },
        "--image 'redis=' lets its args say it: they begin with node",
      ],
      [
        { image: 'redis', args: ['--port', '1'] },
        "--image 'redis=valkey-server'",
      ],
      [
        { image: 'shop/web:1' },
        "--image 'shop/web:1=node'",
        other('shop/web:2', 'node'),
      ],
      [
        { image: 'shop/web:1' },
        String.raw`--image 'shop/web:1='\''/opt/my app/run'\'''`,
        other('shop/web:1', '/opt/my app/run'),
      ],
      [
        { image: 'shop/web:1' },
        "--image 'shop/web:1=COMMAND', with a program of this machine for COMMAND, such as 'node server.js'",
        other('shop/web:1', '/bin/bash'),
      ],
      [
        { image: 'shop/web:1' },
        "--image 'shop/web:1=COMMAND', with a program of this machine for COMMAND, such as 'node server.js'",
        other('ghcr.io/shop/web:1', 'node'),
      ],
      [
        { image: 'shop/web:1' },
        "--image 'shop/web:1=COMMAND', with a program of this machine for COMMAND, such as 'node server.js'",
        other('shop/other', 'node'),
      ],
    ]
  for (const [options, expected, another] of cases) {
    const container = makeContainer(options)
    const flag = imageFlag(
      container,
      another === undefined ? [container] : [container, another],
      name => machine.has(name),
    )
    t.equal(flag, expected)
  }
})

t.test('a suggested flag means what it says', async t => {
  const shell = (text: string): string =>
    splitShellWords(text).slice(1).join(' ')
  const flag = imageFlag(
    makeContainer({ image: 'nginxinc/nginx' }),
    [],
    name => name === 'nginx',
  )
  t.strictSame(parseImageFlag(shell(flag)).entrypoint, [
    'nginx',
    '-g',
    'daemon off;',
  ])
})

t.test('--image', async t => {
  t.same(parseImageFlag(`a/b:1=sh -c 'x=1 "y"'`), {
    pattern: 'a/b:1',
    entrypoint: ['sh', '-c', 'x=1 "y"'],
  })
  t.equal(parseImageFlag(' a =x').pattern, 'a')
  for (const bad of ['', 'x', '=x', ' =x']) {
    t.throws(() => parseImageFlag(bad), {
      code: 'IMAGE_FLAG_INVALID',
      message: `--image wants 'PATTERN=COMMAND', not '${bad}'`,
    })
  }
})

t.test('words as a shell makes them', async t => {
  const cases = [
    ['', []],
    ['  a  b ', ['a', 'b']],
    [`nginx -g 'daemon off;'`, ['nginx', '-g', 'daemon off;']],
    [String.raw`a\ b "c \"d\" \n"`, ['a b', String.raw`c "d" \n`]],
    [`''`, ['']],
    [`a'b'"c"d`, ['abcd']],
    ['tail\\', ['tail\\']],
  ] as const
  for (const [text, words] of cases) t.same(splitShellWords(text), words, text)
  for (const bad of ["'a", '"a']) {
    t.throws(() => splitShellWords(bad), {
      code: 'SHELL_WORDS_UNCLOSED',
      message: `unclosed ${bad.charAt(0)} in the command ${bad}`,
    })
  }
})
