import t from 'tap'
import {
  escapeMountPath,
  mountsBelow,
  parseMountinfo,
  podfsMounts,
  unescapeMountPath,
} from '../../src/linux/mountinfo.ts'

t.test('reads lines with and without optional fields', async t => {
  const mounts = parseMountinfo(
    [
      '42 27 0:39 / /run/podfs/a/rw rw,nosuid,nodev,relatime - fuse.podfs podfs rw,user_id=0',
      '43 27 0:39 /v /mnt/with\\040space\\134 ro shared:1 master:2 - fuse.podfs a\\040b rw',
      '',
    ].join('\n'),
  )
  t.strictSame(mounts, [
    {
      id: 42,
      parentId: 27,
      device: '0:39',
      root: '/',
      mountpoint: '/run/podfs/a/rw',
      options: ['rw', 'nosuid', 'nodev', 'relatime'],
      propagation: 'private',
      type: 'fuse.podfs',
      source: 'podfs',
      superOptions: ['rw', 'user_id=0'],
    },
    {
      id: 43,
      parentId: 27,
      device: '0:39',
      root: '/v',
      mountpoint: '/mnt/with space\\',
      options: ['ro'],
      propagation: 'shared',
      type: 'fuse.podfs',
      source: 'a b',
      superOptions: ['rw'],
    },
  ])
})

t.test('spells paths as the kernel does, and back', async t => {
  for (const path of [
    '/a',
    '/a b',
    '/tab\there',
    '/new\nline',
    '/b\\s',
    '/ü 7',
  ])
    t.equal(unescapeMountPath(escapeMountPath(path)), path)
  t.equal(escapeMountPath('/a b'), '/a\\040b')
  t.equal(unescapeMountPath('/a\\0407'), '/a 7')
})

t.test('reads this machine', async t => {
  t.ok((await mountsBelow('/proc')).some(({ type }) => type === 'proc'))
  t.ok((await mountsBelow('/')).length > 1)
  for (const { type } of await podfsMounts())
    t.match(type, /^(fuse.podfs|tmpfs)$/)
})
