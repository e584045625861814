import t from 'tap'
import { foreignMounts } from '../../src/runner/sandbox/container-setup.ts'
import { isWithin } from '../../src/linux/is-within.ts'
import { aliasesOf, mountOf } from '../../src/linux/mount-table.ts'
import { isPodfsMount, parseMountinfo } from '../../src/linux/mountinfo.ts'

const text = String.raw`27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:26 / /a\040b\134c ro,nosuid shared:1 master:2 - fuse.podfs podfs rw
31 27 0:26 / /plain rw - tmpfs none ro
32 27 0:40 / /volumes ro - tmpfs podfs-volumes rw,mode=700
`

const mounts = parseMountinfo(text)
t.match(mounts, [
  {
    id: 27,
    parentId: 1,
    device: '254:0',
    root: '/',
    mountpoint: '/',
    type: 'ext4',
    options: ['rw', 'relatime'],
  },
  {
    id: 30,
    parentId: 27,
    device: '0:26',
    root: '/',
    mountpoint: '/a b\\c',
    type: 'fuse.podfs',
    options: ['ro', 'nosuid'],
  },
  {
    id: 31,
    parentId: 27,
    device: '0:26',
    root: '/',
    mountpoint: '/plain',
    type: 'tmpfs',
    options: ['rw'],
  },
  {
    id: 32,
    parentId: 27,
    device: '0:40',
    root: '/',
    mountpoint: '/volumes',
    type: 'tmpfs',
    options: ['ro'],
  },
])
// The last one is that of the backend dir.
t.same(mounts.map(isPodfsMount), [false, true, false, true])

t.test(
  'foreign are all podfs mounts but the own, and what is below a covered directory',
  async t => {
    const mounts = tableOf(`1 0 / ext4
2 1 /home/me/mnt fuse.podfs
3 1 /own fuse.podfs
4 1 /run/podfs tmpfs
5 4 /run/podfs/1 tmpfs
6 5 /run/podfs/1/rw fuse.podfs
7 1 /run/podfsx tmpfs`)
    t.same(
      foreignMounts(mounts, [{ path: '/own', readOnly: true }], ['/run/podfs']),
      ['/run/podfs/1/rw', '/run/podfs/1', '/home/me/mnt'],
    )
  },
)

t.test('what another mount covers is out of reach', async t => {
  // The host's /tmp with a mount in it, an emptyDir over /tmp, a hostPath with one in it.
  const mounts = tableOf(`1 0 / ext4
2 1 /tmp/mnt fuse.podfs
3 1 /tmp tmpfs
4 1 /data ext4
5 4 /data/mnt fuse.podfs
6 1 /da ext4`)
  t.same(
    foreignMounts(
      mounts,
      [
        { path: '/tmp', readOnly: false },
        { path: '/data', readOnly: false },
      ],
      [],
    ),
    ['/data/mnt'],
  )
})

t.test('where else a directory is', async t => {
  const mounts = parseMountinfo(`1 0 8:1 / / rw - ext4 none rw
2 1 8:2 / /var rw - ext4 none rw
3 1 8:2 /lib /srv/lib rw - ext4 none rw
4 1 8:2 /lib/podfs/claims /data rw - ext4 none rw
5 1 8:2 /lib/podfs /mnt/state rw - ext4 none rw
6 1 8:2 /libx /mnt/x rw - ext4 none rw
7 1 8:1 / /mnt/root rw - ext4 none rw`)
  t.same(aliasesOf('/var/lib/podfs', mounts), ['/srv/lib/podfs', '/mnt/state'])
  t.same(aliasesOf('/run/podfs', mounts), ['/mnt/root/run/podfs'])
})

t.test(
  'in a directory, and beside one whose name begins as its own',
  async t => {
    for (const [path, directory, expected] of [
      ['/data', '/data', true],
      ['/data/x', '/data', true],
      ['/data/x', '/data/', true],
      ['/data2', '/data', false],
      ['/data2/x', '/data', false],
      ['/data', '/data/x', false],
      ['/data', '/', true],
      ['/', '/', true],
    ] as const)
      t.equal(isWithin(path, directory), expected, `${path} ${directory}`)
  },
)

t.test('the mount of a path is the last of the deepest', async t => {
  const mounts = tableOf(`1 0 / ext4
2 1 /data ext4
3 2 /data tmpfs
4 1 /da tmpfs
5 3 /data/x tmpfs`)
  const idOf = (path: string) => mountOf(path, mounts)?.id
  t.strictSame(
    ['/', '/data', '/data2', '/data/x/y', '/data/y', '/data/xy'].map(idOf),
    [1, 3, 1, 5, 3, 3],
  )
})

function tableOf(text: string) {
  return parseMountinfo(
    text.replaceAll(
      /^(\d+) (\d+) (\S+) (\S+)$/gm,
      '$1 $2 0:1 / $3 rw - $4 none rw',
    ),
  )
}
