import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { mountAt } from '../../src/linux/mountinfo.ts'
import { unmountPath } from '../../src/linux/unmount-path.ts'
import { cannotMount, makeTemporaryDirectory } from '../helpers/fuse-mount.ts'

const skip = await cannotMount()

t.test(
  'of a server that answers nothing, nothing is asked',
  { skip },
  async t => {
    const target = path.join(makeTemporaryDirectory(t), 'mnt')
    mkdirSync(target)
    const script = `exec 3<>/dev/fuse &&
mount -i -n -t fuse.podfs -o fd=3,rootmode=40000,user_id=0,group_id=0 other "$0" && echo mounted && read -r _`
    const server = spawn('sh', ['-c', script, target])
    const closed = once(server, 'close')
    await once(server.stdout, 'data')
    // What waits for an answer ends with the connection.
    let isOver = false
    const giveUp = setTimeout(() => {
      isOver = true
      server.kill('SIGKILL')
    }, 20_000)
    await unmountPath(target)
    clearTimeout(giveUp)
    t.notOk(isOver)
    t.equal(await mountAt(target), undefined)
    server.kill('SIGKILL')
    await closed
  },
)
