/*
 * Kills the server at exact points of a swap, and looks whether anybody noticed: the writer, a
 * watcher, a blocked reader, an open file, a working directory. Each death is a node that starts.
 */
import t from 'tap'
import { cannotMount, nextServer } from '../helpers/fuse-mount.ts'
import { killAtEvery, volumeForTest } from '../helpers/fault-volume.ts'

const skip = await cannotMount()
// Some 170 deaths.
t.setTimeout(390_000)

t.test('killed at every request of a swap: read', { skip }, t =>
  killAtEvery(t, 'read', true),
)

// What is read and changed is as if it was only read: nobody has heard of it.
for (const point of ['changed', 'torn', 'recorded', 'replied'] as const)
  for (const fills of [true, false])
    t.test(
      `killed at every change of a swap${fills ? '' : ', each entry made for itself'}: ${point}`,
      { skip },
      t => killAtEvery(t, point, fills),
    )

for (const point of ['compact-before', 'compact-torn'] as const)
  t.test(
    `killed in every write of a compaction: ${point}`,
    { skip },
    async t => {
      const { swapWithFault } = await volumeForTest(t)
      let kills = 0
      // Three compactions, each with four writes.
      while (kills < 12 && (await swapWithFault(point, kills + 1))) kills++
      t.equal(kills, 12)
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
