import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, open, readFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { mountsBelow } from '../../src/linux/mountinfo.ts'
import { stopAbandonedMount } from '../../src/fuse/mount/stop-abandoned-mount.ts'
import { startDaemon } from '../helpers/fuse-daemon.ts'
import {
  cannotMount,
  isAlive,
  mountForTest,
  spawnInForeignNamespace,
  swap,
  until,
} from '../helpers/fuse-mount.ts'

const skip = await cannotMount()

t.test(
  'stop leaves no mount, no process and no directory',
  { skip },
  async t => {
    const { mount, root, directory } = await mountForTest(t)
    await mkdir(join(root, 'second'))
    await mount.bind('', join(root, 'second'))
    const server = mount.serverPid ?? 0
    await Promise.all([mount.stop(), mount.stop()])
    t.strictSame(await mountsBelow(root), [])
    t.notOk(existsSync(directory))
    // Its end was heard of by its pipe: the kernel may not be done with it.
    await until(async () => !(await isAlive(mount.keeperPid)), 'its end')
    t.notOk(server !== 0 && (await isAlive(server)))
    await mount.stop()
  },
)

t.test('stop ends the copies in other mount namespaces', { skip }, async t => {
  const { mount, publicPath, root } = await mountForTest(t)
  await swap(mount.directory, 1, { secret: 's3cr3t', other: 'x' })
  const child = spawnInForeignNamespace(
    `cd '${root}'; cat public/secret; ls public >/dev/null; echo; read go;
     cat public/secret; cat public/..data/other; ls public/; echo end`,
  )
  const output: string[] = []
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output.push(text)
  })
  await until(() => output.join('') === 's3cr3t\n', 'the copy is read')
  const start = performance.now()
  await mount.stop()
  t.comment(`stopped in ${(performance.now() - start).toFixed(1)} ms`)
  t.strictSame(await readdir(publicPath), [])
  child.stdin?.write('go\n')
  await once(child, 'close')
  t.equal(output.join(''), 's3cr3t\nend\n')
})

t.test('an open file does not keep the mount alive', { skip }, async t => {
  const { mount, publicPath } = await mountForTest(t)
  await swap(mount.directory, 1, { a: 'one' })
  const held = await open(join(publicPath, 'a'))
  t.teardown(() => held.close())
  await mount.stop()
  await t.rejects(held.read({ position: 0 }), { code: /ENOTCONN|ECONNABORTED/ })
})

for (const swapping of [false, true])
  t.test(
    `a daemon that is killed${swapping ? ' in a swap' : ''} takes its mount along (run)`,
    { skip },
    async t => {
      const daemon = await startDaemon(t, 'run')
      t.equal(await readFile(join(daemon.publicPath, 'key'), 'utf8'), 'value 1')
      if (swapping) {
        daemon.process.stdin?.write('swap\n')
        await daemon.nextLine()
        await until(
          async () =>
            (await readFile(join(daemon.publicPath, 'key'), 'utf8').catch(
              () => 'value 1',
            )) !== 'value 1',
          'a swap',
        )
      }
      daemon.process.kill('SIGKILL')
      const took = await until(
        async () =>
          (await mountsBelow(daemon.root)).length === 0 &&
          !(await isAlive(daemon.serverPid)) &&
          !(await isAlive(daemon.keeperPid)) &&
          !existsSync(daemon.directory),
        'all is gone',
      )
      t.ok(took < 1000, `${took} ms`)
      t.comment(`gone after ${took.toFixed(0)} ms`)
    },
  )

for (const lifetime of ['mount', 'detach'] as const)
  t.test(`serves on without its daemon (${lifetime})`, { skip }, async t => {
    const daemon = await startDaemon(t, lifetime)
    daemon.process.kill('SIGKILL')
    await once(daemon.process, 'exit')
    // What nobody has read yet, so that the kernel must ask.
    t.equal(await readFile(join(daemon.publicPath, 'key'), 'utf8'), 'value 1')
    process.kill(daemon.serverPid, 'SIGKILL')
    await until(
      async () => !(await isAlive(daemon.serverPid)),
      'the server dies',
    )
    t.equal((await stat(join(daemon.publicPath, '..data/key'))).size, 7)
    t.ok(await stopAbandonedMount(daemon.directory))
    t.strictSame(await mountsBelow(daemon.root), [])
    t.notOk(existsSync(daemon.directory))
    t.notOk(await stopAbandonedMount(daemon.directory))
  })

t.test('nobody is admitted after the daemon (detach)', { skip }, async t => {
  const daemon = await startDaemon(t, 'detach')
  daemon.process.kill('SIGKILL')
  await once(daemon.process, 'exit')
  await t.rejects(mkdir(join(daemon.directory, 'rw/d')), { code: 'EROFS' })
})

t.test('a keeper waits for an adopting daemon (mount)', { skip }, async t => {
  const daemon = await startDaemon(t, 'mount')
  daemon.process.kill('SIGKILL')
  await once(daemon.process, 'exit')
  // Opens as soon as the keeper has noticed; held as long as the adopter lives.
  const adopter = await open(join(daemon.directory, 'adopt'), 'w')
  t.equal(await readFile(join(daemon.publicPath, 'key'), 'utf8'), 'value 1')
  t.ok(await isAlive(daemon.keeperPid))
  await adopter.close()
  t.ok(await stopAbandonedMount(daemon.directory))
})
