/*
 * `npm run mutants`: the rooms of stryker.config.mjs one after the other, or the one that ROOM
 * names. In one run, a mutant that is met while modules are loaded would be given to the tests of
 * all rooms.
 */
import { spawnSync } from 'node:child_process'
import { rooms } from '../stryker.config.mjs'

const { ROOM } = process.env
const tooLow = []
for (const room of ROOM === undefined ? Object.keys(rooms) : [ROOM]) {
  console.log(`\n${room}`)
  const env = { ...process.env, ROOM: room }
  const { status } = spawnSync('stryker', ['run'], { stdio: 'inherit', env })
  // Interrupted, or not there.
  if (status === null) process.exit(1)
  if (status !== 0) tooLow.push(room)
}
if (tooLow.length > 0) {
  console.error(`score below 85, or tests that fail: ${tooLow.join(', ')}`)
  process.exitCode = 1
}
