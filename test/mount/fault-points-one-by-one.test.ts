/*
 * Kills the server at exact points of every request of a swap, and looks whether anybody
 * noticed: the writer, a watcher, a blocked reader, an open file, a working directory. Here each
 * entry is made for itself, as where somebody looks at once.
 */
import t from 'tap'
import { cannotMount } from '../helpers/fuse-mount.ts'
import { killAtEveryRequest } from '../helpers/fault-volume.ts'

const skip = await cannotMount()
// Some 140 deaths.
t.setTimeout(390_000)

for (const point of ['read', 'changed', 'torn', 'recorded', 'replied'] as const)
  t.test(`killed at every request of a swap: ${point}`, { skip }, t =>
    killAtEveryRequest(t, point, false),
  )
