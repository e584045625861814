import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { isSkeletonMade } from '../../../src/runner/sandbox/host-skeleton.ts'

t.test('one that somebody has begun', async t => {
  const fifo = path.join(t.testdir(), 'fifo')
  execFileSync('mkfifo', [fifo])
  const place = '/nowhere'
  const saying = async (words: string): Promise<boolean> => {
    const writer = openSync(fifo, constants.O_RDWR)
    const pipe = openSync(fifo, 'r')
    const asked = isSkeletonMade({ place, pipe })
    if (words !== '') writeSync(writer, words)
    closeSync(writer)
    return await asked
  }
  t.equal(await saying('made\n'), true)
  t.equal(await saying(''), false, 'who was to make it has been killed')
  t.equal(await isSkeletonMade({ place }), true, 'it was known to be there')
})
