import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { keeperGone } from '../../src/fuse/server/keeper-gone.ts'

t.test('a keeper that is gone', async t => {
  const directory = t.testdir({})
  const pipe = path.join(directory, 'alive')
  execFileSync('sh', ['-c', 'mkfifo "$0"', pipe])
  const keeper = openSync(pipe, constants.O_RDWR)
  const gone = keeperGone(directory)
  const first = Promise.race([gone.then(() => 'gone'), Promise.resolve('here')])
  t.equal(await first, 'here')
  closeSync(keeper)
  await gone
  t.pass('it is told')
  // As for a server that has come to look only after its keeper was killed.
  await keeperGone(directory)
  t.pass('who comes later hears of it, too')
})
