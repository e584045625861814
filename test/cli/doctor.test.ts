import { readdirSync } from 'node:fs'
import t from 'tap'
import { cannotStart, needsRoot } from '../helpers/capability.ts'
import {
  eventually,
  podfs,
  startPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import { lacksOrdinaryUser, ordinaryUser } from '../helpers/ordinary-user.ts'

const skip = cannotStart()

interface Check {
  readonly name: string
  readonly status: string
  readonly detail: string
  readonly fix?: string
}

t.test('finds that podfs works here, by a real swap', { skip }, async t => {
  const run = startPodfs(t, ['doctor', '-o', 'json'])
  const { code, stdout, stderr } = await run.ended
  t.equal(code, 0, stderr)
  const checks = JSON.parse(stdout) as Check[]
  const found = (wanted: string) => checks.find(({ name }) => name === wanted)
  t.match(found('swap on fuse'), {
    status: 'ok',
    detail: /seen by a watcher after [\d.]+ ms; a write by others: EROFS/,
  })
  t.match(found('a Pod'), { status: 'ok', detail: /read a volume; \d+ ms/ })
  t.notOk(
    readdirSync(runtimeDirectory).some(name => name.endsWith(`-${run.pid}`)),
    'the scratch mount is gone',
  )
})

t.test(
  'says in a table what is missing, and how to get it',
  { skip: skip || needsRoot('machine') },
  async t => {
    // A device that is none, seen only by this podfs.
    const hideFuse = 'mount --bind /etc/hostname /dev/fuse; exec "$@"'
    const { code, stdout } = await podfs(t, ['doctor'], {
      wrapper: ['unshare', '--mount', 'sh', '-c', hideFuse, 'sh'],
    })
    t.equal(code, 3)
    t.match(stdout, /^CHECK +STATUS +FOUND\n/)
    t.match(
      stdout,
      /^\/dev\/fuse +missing +not a device\n +fix: .*--backend dir/m,
    )
    t.match(stdout, /^swap on fuse +missing /m)
    t.match(stdout, /^swap on dir +ok /m, 'the other backend works')
    t.match(stdout, /\npodfs lacks \/dev\/fuse, swap on fuse, a Pod here\.\n$/)
  },
)

const needsUser = lacksOrdinaryUser('fusermount3', 'newuidmap')

t.test(
  'what an ordinary user of a desktop has',
  { skip: needsUser },
  async t => {
    const user = await ordinaryUser(t)
    const { code, stdout, stderr } = await user.podfs(['doctor'])
    t.equal(code, 0, stdout)
    t.equal(stderr, '')
    t.match(stdout, new RegExp(`^user +ok +uid ${user.uid}: `, 'm'))
    t.match(stdout, /^user ids +ok /m)
    t.match(stdout, /^swap on fuse +ok .*EROFS$/m)
    t.match(stdout, /^swap on dir +ok .* a plain directory/m)
    t.match(stdout, /^a Pod +ok /m)
    // busybox's timeout, which is looked at, has one that outlives it.
    await eventually(() => user.processes().length === 0)
    // A mount point, empty here: to remove it would unmount what other podfs have there.
    t.equal((await user.sh('ls "$XDG_RUNTIME_DIR/podfs"')).stdout, 'skeleton\n')
  },
)

t.test(
  'what one of them may lack, and how to get it',
  { skip: needsUser },
  async t => {
    const user = await ordinaryUser(t, {
      range: false,
      hidden: ['fusermount3', 'newuidmap'],
      fuseMode: '0600',
    })
    const { code, stdout, stderr } = await user.podfs(['doctor'])
    t.equal(code, 3, stderr)
    const fixes: readonly (readonly [RegExp, string])[] = [
      [/^\/dev\/fuse +missing .*EACCES$/, 'chmod 0666 /dev/fuse'],
      [/^fusermount3 +missing /, 'apt-get install fuse3'],
      [/^user ids +warning /, 'apt-get install uidmap'],
      [/^a Pod +missing .*\/dev\/fuse/, 'chmod 0666 /dev/fuse'],
    ]
    const lines = stdout.split('\n')
    for (const [row, fix] of fixes) {
      const at = lines.findIndex(line => row.test(line))
      t.match(
        lines[at + 1],
        new RegExp(`^ +fix: (sudo|doas|as root:) ${fix}$`),
        `${row}`,
      )
    }
    t.match(stdout, /^swap on dir +ok /m, 'still serves podfs mount')
    await eventually(() => user.processes().length === 0)
  },
)

t.test('in somebody else’s user namespace', { skip: needsUser }, async t => {
  const user = await ordinaryUser(t)
  const wrapper = ['unshare', '-Urm']
  const { code, stdout } = await user.podfs(['doctor'], { wrapper })
  t.equal(code, 0, stdout)
  t.match(stdout, /^user +ok +root of a user namespace/m)
  for (const backend of ['fuse', 'dir'])
    t.match(stdout, new RegExp(`^swap on ${backend} +ok .*EROFS$`, 'm'))
  t.match(stdout, /^a Pod +ok /m)
})

t.test(
  'without CAP_SYS_ADMIN, as in most containers',
  { skip: skip || needsRoot('machine') },
  async t => {
    const { code, stdout } = await podfs(t, ['doctor'], {
      wrapper: [
        'setpriv',
        '--bounding-set=-sys_admin',
        '--inh-caps=-sys_admin',
      ],
    })
    t.equal(code, 3)
    t.match(
      stdout,
      /^rights +missing .*\n +fix: in a container: --cap-add SYS_ADMIN --device \/dev\/fuse; else --backend dir/m,
    )
    t.match(stdout, /^swap on dir +ok .* a plain directory/m)
    t.match(stdout, /^a Pod +missing .*CAP_SYS_ADMIN/m)
  },
)

t.test('takes no argument', async t => {
  const { code, stderr } = await podfs(t, ['doctor', 'now'])
  t.equal(code, 2)
  t.equal(stderr, 'error: doctor takes no argument: now\n')
})
