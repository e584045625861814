/*
 * Servers that die one after the other: requests wait meanwhile, and nobody gives up.
 */
import { spawn } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { readFile, readlink, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pino from 'pino'
import t from 'tap'
import { operations } from '../../src/fuse/wire/operations.ts'
import {
  cannotMount,
  makeTemporaryDirectory,
  mountForTest,
  nextServer,
  standbyOf,
  swap,
  until,
} from '../helpers/fuse-mount.ts'

const skip = await cannotMount()

/** What is logged, and the lines with a text that there are. */
function logLines() {
  const lines: string[] = []
  const logger = pino({ level: 'warn' }, { write: line => lines.push(line) })
  const withText = (text: string): string[] =>
    lines.filter(line => line.includes(text))
  return { logger, withText }
}

t.test('a server that is killed every 120 ms', { skip }, async t => {
  const { logger, withText } = logLines()
  const { mount, publicPath, directory } = await mountForTest(t, { logger })
  let lost: string | undefined
  void mount.lost.then(reason => (lost = reason))
  await swap(mount.directory, 0, { key: 'value 0' })
  await nextServer(mount, undefined)
  const state = { isOver: false }
  const errors: string[] = []
  let reads = 0
  const reading = (async () => {
    while (!state.isOver) {
      const pinned = await readlink(join(publicPath, '..data'))
      await readFile(join(publicPath, pinned, 'key')).then(
        () => reads++,
        async (error: NodeJS.ErrnoException) => {
          const now = await readlink(join(publicPath, '..data'))
          // Of a directory that was replaced.
          if (error.code !== 'ENOENT' || now === pinned)
            errors.push(String(error))
        },
      )
      await statfs(publicPath).catch(error => errors.push(String(error)))
      // Without a pause it takes a processor from those that are to serve.
      await delay(1)
    }
  })()
  let rounds = 0
  const publishing = (async () => {
    while (!state.isOver) {
      await swap(mount.directory, ++rounds, { key: `value ${rounds}` }).catch(
        error => errors.push(String(error)),
      )
      await delay(10)
    }
  })()
  let killed = 0
  while (killed < 100) {
    await delay(120)
    if (lost !== undefined || withText('started later').length > 0) break
    const text = await readFile(join(directory, 'serving'), 'latin1')
    // One that has answered nothing yet has failed.
    if (!text.includes('answered')) continue
    try {
      process.kill(Number(text.split(' ')[0]), 'SIGKILL')
      killed++
    } catch {
      // It has not been replaced yet.
    }
  }
  state.isOver = true
  await Promise.all([reading, publishing])
  t.comment(`${reads} reads, ${rounds} rounds`)
  t.equal(lost, undefined, 'nobody gives up')
  t.strictSame(withText('started later'), [], 'the next one comes at once')
  t.strictSame(errors, [])
  t.equal(await readFile(join(publicPath, 'key'), 'utf8'), `value ${rounds}`)
})

t.test('a request that kills each server', { skip }, async t => {
  const faults = join(makeTemporaryDirectory(t), 'faults')
  const { logger, withText } = logLines()
  const { mount, publicPath } = await mountForTest(t, { faults, logger })
  await swap(mount.directory, 1, { key: 'value' })
  const first = await nextServer(mount, undefined)
  await standbyOf(mount)
  const { opcode } = operations.STATFS
  writeFileSync(faults, `every ${opcode}`)
  // Not of this process: without an answer nobody could end it.
  const asking = spawn('stat', ['-f', publicPath], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const said = await new Promise<string>(resolve => {
    let text = ''
    asking.stderr.setEncoding('utf8').on('data', part => (text += part))
    asking.on('close', () => resolve(text))
  })
  t.match(said, /Input\/output error/)
  rmSync(faults)
  await until(() => withText('answered EIO').length === 1, 'the line')
  t.match(withText('answered EIO')[0], `STATFS`)
  t.equal(withText('fuse server died').length, 3)
  await nextServer(mount, first)
  t.equal((await statfs(publicPath)).bsize, 4096, 'the next one is answered')
  t.equal(await readFile(join(publicPath, 'key'), 'utf8'), 'value')
})

t.test('servers that die before they answer', { skip }, async t => {
  const faults = join(makeTemporaryDirectory(t), 'faults')
  const { logger, withText } = logLines()
  const { mount, publicPath } = await mountForTest(t, { faults, logger })
  await swap(mount.directory, 1, { key: 'value' })
  const server = await nextServer(mount, undefined)
  await standbyOf(mount)
  writeFileSync(faults, 'every replayed')
  process.kill(server, 'SIGKILL')
  const answer = statfs(publicPath)
  await until(
    () => withText('the next one is started later').length === 2,
    'longer and longer pauses',
    60_000,
  )
  t.match(withText('started later')[0], /"seconds":1,"deaths":2/)
  t.match(withText('started later')[1], /"seconds":2,"deaths":3/)
  rmSync(faults)
  t.equal((await answer).bsize, 4096, 'who has asked meanwhile is answered')
  t.equal(await readFile(join(publicPath, 'key'), 'utf8'), 'value')
})
