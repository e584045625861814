/*
 * Kills the server at exact points of every request of a swap, and looks whether anybody
 * noticed: the writer, a watcher, a blocked reader, an open file, a working directory.
 */
import t from 'tap'
import { cannotMount, nextServer } from '../helpers/fuse-mount.ts'
import { killAtEveryRequest, volumeForTest } from '../helpers/fault-volume.ts'

const skip = await cannotMount()
// Some 190 deaths.
t.setTimeout(390_000)

for (const point of ['read', 'changed', 'torn', 'recorded', 'replied'] as const)
  t.test(`killed at every request of a swap: ${point}`, { skip }, t =>
    killAtEveryRequest(t, point, true),
  )

for (const point of ['compact-before', 'compact-torn'] as const)
  t.test(
    `killed in every write of a compaction: ${point}`,
    { skip },
    async t => {
      const { swapWithFault } = await volumeForTest(t)
      let kills = 0
      // Several compactions, each with four writes.
      while (kills < 24 && (await swapWithFault(point, kills + 1))) kills++
      t.equal(kills, 24)
    },
  )

for (const point of ['replayed', 'resent'] as const)
  t.test(
    `a successor killed while it takes over: ${point}`,
    { skip },
    async t => {
      const { mount, swapWithFault } = await volumeForTest(t)
      for (let kills = 0; kills < 8; kills++) {
        const server = await nextServer(mount, undefined)
        setTimeout(() => process.kill(server, 'SIGKILL'), kills)
        if (!(await swapWithFault(point, 1))) {
          // The swap was over before the kill.
          await nextServer(mount, server)
          await swapWithFault('read', 1000)
        }
      }
      t.pass('nobody noticed')
    },
  )
