import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { removeUnmounted } from '../../src/session/clear-pods.ts'

t.test('somebody still writes in what is removed', async t => {
  const directory = path.join(t.testdir({}), 'serve-1')
  mkdirSync(directory)
  const files = 500
  for (let i = 0; i < files; i++)
    writeFileSync(path.join(directory, String(i)), '')
  const removed = removeUnmounted(directory)
  try {
    // After it was listed, and before it is removed.
    while (readdirSync(directory).length === files) await turn()
    writeFileSync(path.join(directory, 'late'), '')
  } catch {
    t.comment('it was removed before anybody could look')
  }
  await removed
  t.notOk(existsSync(directory))
})
