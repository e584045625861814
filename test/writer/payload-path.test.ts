import t from 'tap'
import {
  cleanPath,
  cleanPayload,
  parentsOf,
  userVisibleName,
  validatePath,
} from '../../src/writer/payload-path.ts'
import { makePayload } from '../helpers/volume-contents.ts'

const long = (length: number) => 'x'.repeat(length)
// 4096 bytes with components of 255.
const longest = Array.from({ length: 16 }, () => long(255)).join('/')

const valid = [
  'a',
  '.hidden',
  'a/..b',
  'a/b/c',
  'a//b',
  'a/./b',
  'a/',
  long(255),
  'é'.repeat(127),
  longest,
  `${longest}/`,
]
for (const path of valid)
  t.doesNotThrow(() => validatePath(path), `takes ${path.slice(0, 20)}`)

const refused: { path: string; code: string; name?: string }[] = [
  { path: '', code: 'PAYLOAD_EMPTY_PATH' },
  { path: '.', code: 'PAYLOAD_EMPTY_PATH' },
  { path: './/.', code: 'PAYLOAD_EMPTY_PATH' },
  { path: '/a', code: 'PAYLOAD_ABSOLUTE_PATH' },
  { path: '..', code: 'PAYLOAD_BACKSTEP' },
  { path: 'a/../b', code: 'PAYLOAD_BACKSTEP' },
  { path: '../a', code: 'PAYLOAD_BACKSTEP' },
  { path: 'a/..', code: 'PAYLOAD_BACKSTEP' },
  { path: '..a', code: 'PAYLOAD_RESERVED_NAME' },
  { path: '...', code: 'PAYLOAD_RESERVED_NAME' },
  { path: '..a/b', code: 'PAYLOAD_RESERVED_NAME' },
  { path: './..data', code: 'PAYLOAD_RESERVED_NAME' },
  { path: 'a\0b', code: 'PAYLOAD_NUL_BYTE' },
  { path: long(256), code: 'PAYLOAD_NAME_TOO_LONG', name: '256 bytes' },
  { path: `a/${long(256)}`, code: 'PAYLOAD_NAME_TOO_LONG', name: 'one of two' },
  {
    path: 'é'.repeat(128),
    code: 'PAYLOAD_NAME_TOO_LONG',
    name: '128 characters of 2 bytes',
  },
  { path: `${longest}/x`, code: 'PAYLOAD_PATH_TOO_LONG', name: 'long path' },
]
for (const { path, code, name } of refused)
  t.throws(
    () => validatePath(path),
    { name: 'PayloadError', code, path },
    `refuses ${name ?? JSON.stringify(path)}`,
  )

t.test('cleanPayload', async t => {
  t.strictSame(
    [
      ...cleanPayload(
        makePayload({ 'a//b/./c': '1', './d/': '2', e: '3' }),
      ).keys(),
    ],
    ['a/b/c', 'd', 'e'],
  )
  t.equal(
    cleanPayload(makePayload({ 'a/b': 'one', 'a//b': 'two' }))
      .get('a/b')
      ?.data.toString(),
    'two',
    'the later of two equal paths counts',
  )
  for (const paths of [
    ['a', 'a/b'],
    ['a/b/c', 'a'],
    ['a/b/', 'a/b/c/d'],
  ])
    t.throws(
      () =>
        cleanPayload(makePayload(Object.fromEntries(paths.map(p => [p, ''])))),
      { code: 'PAYLOAD_PATH_CONFLICT' },
      `${paths.join(' and ')} cannot both be`,
    )
})

t.test('in the words of the kubelet', async t => {
  const why = (path: string) => {
    try {
      cleanPayload(makePayload({ a: '', [path]: '' }))
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : undefined
    }
  }
  const rows = [
    ['', 'must not be empty: ""'],
    ['/a', 'must be relative path: /a'],
    ['a/../b', "must not contain '..': a/../b"],
    ['..a', "must not start with '..': ..a"],
    ['./.', 'must name a file: ./.'],
    ['a\0', 'must not contain a NUL byte'],
    [`${longest}/x`, 'must be less than or equal to 4096 characters'],
    [long(256), 'filenames must be less than or equal to 255 characters'],
    ['a/b', 'a/b: a is a file'],
  ] as const
  for (const [path, reason] of rows)
    t.equal(why(path), `invalid path: ${reason}`)
})

t.test('parts of a path', async t => {
  t.strictSame(parentsOf('a/b/c'), ['a', 'a/b'])
  t.strictSame(parentsOf('a'), [])
  t.equal(userVisibleName('a/b'), 'a')
  t.equal(userVisibleName('a'), 'a')
  t.equal(cleanPath('abc/'), 'abc')
  t.equal(cleanPath('/'), '/')
})
