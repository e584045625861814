import t from 'tap'
import { foreignMounts } from '../../src/runner/sandbox/container-setup.ts'
import { parseMountTable } from '../../src/runner/sandbox/mount-table.ts'

const text = String.raw`27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:26 / /a\040b\134c ro,nosuid shared:1 master:2 - fuse.podfs podfs rw
31 27 0:26 / /plain rw - tmpfs none ro
32 27 0:40 / /volumes ro - tmpfs podfs-volumes rw,mode=700
`

t.same(parseMountTable(text), [
  { id: 27, parentId: 1, point: '/', type: 'ext4', readOnly: false },
  {
    id: 30,
    parentId: 27,
    point: '/a b\\c',
    type: 'fuse.podfs',
    readOnly: true,
  },
  { id: 31, parentId: 27, point: '/plain', type: 'tmpfs', readOnly: false },
  // The backend dir.
  {
    id: 32,
    parentId: 27,
    point: '/volumes',
    type: 'fuse.podfs',
    readOnly: true,
  },
])

t.test(
  'foreign are all podfs mounts but the own, and what is in the run-time directory',
  async t => {
    const mounts = tableOf(`1 0 / ext4
2 1 /home/me/mnt fuse.podfs
3 1 /own fuse.podfs
4 1 /run/podfs tmpfs
5 4 /run/podfs/1 tmpfs
6 5 /run/podfs/1/rw fuse.podfs
7 1 /run/podfsx tmpfs`)
    t.same(
      foreignMounts(mounts, [{ path: '/own', readOnly: true }], '/run/podfs'),
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
5 4 /data/mnt fuse.podfs`)
  t.same(
    foreignMounts(mounts, [
      { path: '/tmp', readOnly: false },
      { path: '/data', readOnly: false },
    ]),
    ['/data/mnt'],
  )
})

function tableOf(text: string) {
  return parseMountTable(
    text.replaceAll(
      /^(\d+) (\d+) (\S+) (\S+)$/gm,
      '$1 $2 0:1 / $3 rw - $4 none rw',
    ),
  )
}
