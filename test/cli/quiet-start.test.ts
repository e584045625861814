/*
 * What a person sees first, on whatever Node this is (.ci/run has several): nothing that was not
 * asked for, from no process of podfs.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { cp, readFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { isRoot } from '../helpers/capability.ts'
import '../helpers/needs-mounts.ts'
import {
  eventually,
  isRunning,
  startPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import { textOf } from '../helpers/served-world.ts'

t.setTimeout(240_000)

t.test('the quickstart', async t => {
  const dir = t.testdir({})
  await cp('examples/quickstart', dir, { recursive: true })
  const run = startPodfs(t, ['run', '-f', dir])
  await run.saw(/^web +\| greeting: hello/m)
  await run.saw(/^worker \| .*greeting: hello/m)
  const config = path.join(dir, 'config.yaml')
  writeFileSync(
    config,
    readFileSync(config, 'utf8').replace('greeting: hello', 'greeting: moin'),
  )
  await run.saw(/^web +\| greeting: moin/m)
  await run.saw(/^worker \| .*greeting: moin/m)
  run.child.kill('SIGINT')
  const { stderr } = await run.ended
  // All that an ordinary user is told of what is different.
  const told = isRoot
    ? ''
    : 'podfs: without root, containers can replace files in /usr, /var and /opt, not change them in place (EACCES)\n'
  t.equal(
    stderr,
    `${told}podfs: terminating, up to 30 s; a second Ctrl-C kills at once\n`,
  )
})

t.test('a mount, and the death of its server', async t => {
  const dir = t.testdir({ conf: { colour: 'blue' } })
  const mountpoint = path.join(dir, 'mnt')
  const run = startPodfs(t, ['mount', path.join(dir, 'conf'), mountpoint])
  await run.saw(/ready/)
  const server = await serverOf(run.pid)
  process.kill(server, 'SIGKILL')
  t.equal(await readFile(path.join(mountpoint, 'colour'), 'utf8'), 'blue')
  await eventually(() => !isRunning(server))
  writeFileSync(path.join(dir, 'conf/colour'), 'green')
  await eventually(
    async () =>
      (await readFile(path.join(mountpoint, 'colour'), 'utf8')) === 'green',
  )
  run.child.kill('SIGTERM')
  const { code, stderr } = await run.ended
  t.equal(code, 0)
  t.notMatch(stderr, /unrecognized|Warning|--help/i)
})

/** The file server of a mount, as soon as its standby is there, too. */
async function serverOf(pid: number): Promise<number> {
  const keeper = await eventually(() =>
    textOf(`${runtimeDirectory}/mount-${pid}/keeper.pid`)?.trim(),
  )
  const servers = await eventually(() => {
    const found = readFileSync(
      `/proc/${keeper}/task/${keeper}/children`,
      'latin1',
    )
      .trim()
      .split(' ')
      .filter(isServer)
    return found.length === 2 && found.map(Number)
  })
  return Math.min(...servers)
}

function isServer(pid: string): boolean {
  try {
    const [program] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return program === process.execPath
  } catch {
    // It has ended meanwhile.
    return false
  }
}
