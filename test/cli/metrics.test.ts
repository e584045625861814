/* As built: what is loaded only when somebody asks for it. test/server/ has what it says. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { askSocket } from '../helpers/ask-socket.ts'
import { cannotMount } from '../helpers/fuse-mount.ts'
import { eventually, startPodfs } from '../helpers/podfs.ts'

t.test('/metrics of a podfs mount', { skip: await cannotMount() }, async t => {
  const directory = t.testdir({ conf: { colour: 'blue' } })
  const mount = startPodfs(t, [
    'mount',
    path.join(directory, 'conf'),
    path.join(directory, 'mnt'),
  ])
  await mount.saw(/ready/)
  const socket = `/run/podfs/mount-${mount.pid}/api.sock`
  await eventually(() => existsSync(socket))
  const metrics = await askSocket(socket, '/metrics')
  t.match(metrics, /^podfs_volume_published_total\{.*volume="volume"\} 1$/m)
  t.match(metrics, /^podfs_fuse_operations_total\{operation="LOOKUP"\} \d/m)
  t.match(metrics, /^process_resident_memory_bytes \d/m)
  mount.child.kill('SIGTERM')
  t.equal((await mount.ended).code, 0)
})
