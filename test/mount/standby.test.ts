import { statfsSync, statSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import {
  cannotMount,
  isAlive,
  mountForTest,
  nextServer,
  standbyOf,
  swap,
  until,
} from '../helpers/fuse-mount.ts'

const skip = await cannotMount()

t.test('a standby takes over at once', { skip }, async t => {
  const { mount, publicPath } = await mountForTest(t)
  await swap(mount.directory, 1, { key: 'value' })
  let server = await nextServer(mount, undefined)
  for (let round = 0; round < 3; round++) {
    const standby = await standbyOf(mount)
    const start = performance.now()
    process.kill(server, 'SIGKILL')
    statfsSync(publicPath) // never cached
    t.comment(`${(performance.now() - start).toFixed(1)} ms`)
    server = await nextServer(mount, server)
    t.equal(server, standby, 'the standby serves')
    t.equal(await readFile(join(publicPath, 'key'), 'utf8'), 'value')
    await until(
      async () => (await mount.stats())['serverRestarts'] === round + 1,
      'its death to be counted',
    )
  }
  const last = await standbyOf(mount)
  await mount.stop()
  t.notOk(await isAlive(last), 'it ends with the mount')
})

t.test('a standby that died is no loss', { skip }, async t => {
  const { mount, publicPath } = await mountForTest(t)
  await swap(mount.directory, 1, { key: 'value' })
  const server = await nextServer(mount, undefined)
  const standby = await standbyOf(mount)
  process.kill(standby, 'SIGKILL')
  await until(async () => !(await isAlive(standby)), 'its death')
  process.kill(server, 'SIGKILL')
  statfsSync(publicPath)
  const next = await nextServer(mount, server)
  t.not(next, standby)
  t.not(await standbyOf(mount), standby, 'and there is a new one')
})

t.test(
  'a server that dies before there is a standby has a successor',
  { skip },
  async t => {
    const { mount, publicPath } = await mountForTest(t)
    await swap(mount.directory, 1, { key: 'value' })
    let server: number | undefined
    for (let round = 0; round < 4; round++) {
      server = await nextServer(mount, server)
      process.kill(server, 'SIGKILL')
      statfsSync(publicPath)
    }
    t.equal(await readFile(join(publicPath, 'key'), 'utf8'), 'value')
  },
)

t.test('each server has a pipe of its own', { skip }, async t => {
  const { mount, directory } = await mountForTest(t)
  const server = await nextServer(mount, undefined)
  const first = await standbyOf(mount)
  const pipe = statSync(`/proc/${first}/fd/0`)
  process.kill(server, 'SIGKILL')
  await nextServer(mount, server)
  const second = await standbyOf(mount)
  t.not(statSync(`/proc/${second}/fd/0`).ino, pipe.ino)
  t.notOk((await readdir(directory)).includes('go'), 'and it has no name')
})
