import { existsSync, readdirSync, statSync } from 'node:fs'
import { mkdir, rm, symlink } from 'node:fs/promises'
import t from 'tap'
import { lacksOrdinaryUser, ordinaryUser } from '../helpers/ordinary-user.ts'
import { startPodfs } from '../helpers/podfs.ts'

t.setTimeout(240_000)
const skip = lacksOrdinaryUser()

t.test('an ordinary user of the tests is one', { skip }, async t => {
  const looks = `id -u; pwd; grep -c '^Cap[IPEA].*:.0*$' /proc/self/status
    stat -c %a /dev/fuse "$XDG_RUNTIME_DIR"; grep -c "^$USER:[0-9]*:65536$" /etc/subuid
    command -v nsenter; exec 3<>/dev/fuse && echo open`
  let home = ''
  await t.test('with all that a desktop has', async t => {
    const user = await ordinaryUser(t)
    home = user.home
    t.equal(
      (await user.sh(looks)).stdout,
      `${user.uid}\n${home}\n4\n666\n700\n1\n/usr/bin/nsenter\nopen\n`,
    )
    t.equal(statSync(home).uid, user.uid)
    await user.sh('exec >/dev/null 2>&1; sleep 1000 & unshare -Ur sleep 1000 &')
    t.match(user.processes().join('\n'), /sleep 1000\n.*sleep 1000/)
    t.notOk(existsSync(user.runtime), 'of no use to others')
  })
  t.notOk(existsSync(home), 'gone with the test')
  const without = await ordinaryUser(t, {
    range: false,
    hidden: ['nsenter'],
    fuseMode: '0600',
  })
  t.equal(
    (await without.sh(looks)).stdout,
    `${without.uid}\n${without.home}\n4\n600\n700\n0\n`,
  )
})

t.test('the sessions of root are named, not shown', { skip }, async t => {
  const dir = t.testdir({ conf: { key: 'value' } })
  const root = startPodfs(t, ['mount', `${dir}/conf`, `${dir}/mnt`])
  await root.saw(/ready/)
  // Made later: the user's mount namespace has a copy of the mount.
  const user = await ordinaryUser(t)
  const id = `mount-${root.pid}`
  t.match(await user.podfs(['get', 'volumes']), {
    code: 1,
    stdout: '',
    stderr: new RegExp(
      `^error: no podfs of yours is running, but root's: .*\\b${id}\\b.*\n  .* get pods\n$`,
    ),
  })
  t.match(await user.podfs(['get', 'volumes', '--session', id]), {
    code: 1,
    stderr: new RegExp(`^error: podfs ${id} is root's\n`),
  })
  t.equal((await user.sh(`cat ${dir}/mnt/key`)).code, 1)
  t.equal((await user.sh('ls /run/podfs')).code, 2)
  // The fixture goes before what tears down.
  root.child.kill('SIGTERM')
  await root.ended
})

t.test(
  'a run-time directory in /tmp that is not the user’s is refused',
  { skip },
  async t => {
    const user = await ordinaryUser(t)
    const runtime = `/tmp/podfs-${user.uid}`
    t.teardown(() => rm(runtime, { recursive: true, force: true }))
    const get = () =>
      user.podfs(['get', 'pods'], { wrapper: ['env', '-u', 'XDG_RUNTIME_DIR'] })
    const empty = () =>
      user.podfs(['get', 'pods'], { wrapper: ['env', 'XDG_RUNTIME_DIR='] })
    const refused = {
      code: 3,
      stdout: '',
      stderr: new RegExp(
        `^error: ${runtime} must belong to the user who runs podfs, with mode 0700\n`,
      ),
    }
    t.match((await get()).stderr, /^error: no podfs/)
    await mkdir(runtime, { mode: 0o700 })
    t.match(await get(), refused, 'root’s')
    t.match(await empty(), refused, 'an empty XDG_RUNTIME_DIR is none')
    await rm(runtime, { recursive: true })
    await symlink('/run/podfs', runtime)
    t.match(await get(), refused, 'a link')
    await rm(runtime)
    await user.sh(`mkdir -m 770 ${runtime}`)
    t.match(await get(), refused, 'open to others')
    await user.sh(`chmod 700 ${runtime}`)
    t.match((await get()).stderr, /^error: no podfs/)
    t.strictSame(readdirSync(runtime), [])
  },
)
