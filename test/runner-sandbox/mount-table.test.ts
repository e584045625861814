import t from 'tap'
import { foreignMounts } from '../../src/runner/sandbox/container-setup.ts'
import { parseMountTable } from '../../src/runner/sandbox/mount-table.ts'

const text = String.raw`27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:26 / /a\040b\134c ro,nosuid shared:1 master:2 - fuse.podfs podfs rw
31 27 0:26 / /plain rw - tmpfs none ro
32 27 0:40 / /volumes ro - tmpfs podfs-volumes rw,mode=700
`

t.same(parseMountTable(text), [
  { point: '/', type: 'ext4', readOnly: false },
  { point: '/a b\\c', type: 'fuse.podfs', readOnly: true },
  { point: '/plain', type: 'tmpfs', readOnly: false },
  // The backend dir.
  { point: '/volumes', type: 'fuse.podfs', readOnly: true },
])

t.test(
  'foreign are all podfs mounts but the own, and what is in the run-time directory',
  async t => {
    const mounts = [
      { point: '/home/me/mnt', type: 'fuse.podfs', readOnly: true },
      { point: '/own', type: 'fuse.podfs', readOnly: true },
      { point: '/run/podfs', type: 'tmpfs', readOnly: false },
      { point: '/run/podfs/1', type: 'tmpfs', readOnly: false },
      { point: '/run/podfs/1/rw', type: 'fuse.podfs', readOnly: false },
      { point: '/run/podfsx', type: 'tmpfs', readOnly: false },
    ]
    t.same(
      foreignMounts(mounts, [{ path: '/own', readOnly: true }], '/run/podfs'),
      ['/run/podfs/1/rw', '/run/podfs/1', '/home/me/mnt'],
    )
  },
)
