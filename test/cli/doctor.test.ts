import { readdirSync } from 'node:fs'
import t from 'tap'
import { podfs, startPodfs } from '../helpers/podfs.ts'
import { capability } from '../helpers/capability.ts'
import { cannotMount } from '../helpers/fuse-mount.ts'

const skip = await cannotMount()

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
  const swap = checks.find(({ name }) => name === 'swap on fuse')
  t.match(swap, { status: 'ok', detail: /seen by a watcher after [\d.]+ ms/ })
  t.notOk(
    readdirSync('/run/podfs').some(name => name.endsWith(`-${run.pid}`)),
    'the scratch mount is gone',
  )
})

t.test(
  'says in a table what is missing, and how to get it',
  { skip },
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
    t.match(stdout, /\npodfs lacks \/dev\/fuse, swap on fuse here\.\n$/)
  },
)

t.test(
  'an ordinary user gets no stack trace',
  { skip: skip || capability('setpriv') },
  async t => {
    const { code, stdout, stderr } = await podfs(t, ['doctor'], {
      wrapper: ['setpriv', '--reuid', '65534', '--clear-groups', '--'],
      cwd: '/',
    })
    t.equal(code, 3, stderr)
    t.match(stdout, /^user +missing +uid 65534/m)
    // What it says works there: sudo or not, the program by its path.
    t.match(stdout, /fix: (sudo|doas|as root:) .*dist\/podfs\.cjs'? run/)
  },
)

t.test('reads fuse.conf as fusermount3 does', { skip }, async t => {
  const without = 'no user_allow_other: only root may use --allow-other'
  const withIt = 'user_allow_other: ordinary users may use --allow-other'
  const cases: readonly (readonly [string, string | undefined, string])[] = [
    ['the line', 'mount_max = 1000\nuser_allow_other\n', withIt],
    ['among spaces', '# x\n  user_allow_other  \n', withIt],
    ['with a comment', 'user_allow_other # for podfs\n', withIt],
    [
      'without a newline, which fusermount3 ignores',
      'user_allow_other',
      without,
    ],
    ['a comment', '#user_allow_other\n# user_allow_other\n', without],
    ['another word', 'user_allow_others\n', without],
    ['nothing', '', without],
    ['no such file', undefined, without],
  ]
  for (const [title, content, detail] of cases) {
    const dir = t.testdir(content === undefined ? {} : { 'fuse.conf': content })
    // An /etc with this file, or without it, seen only by this podfs.
    const script =
      content === undefined
        ? 'mount -t tmpfs tmpfs /etc'
        : `mount -t tmpfs tmpfs /etc && cp '${dir}/fuse.conf' /etc/fuse.conf`
    const { stdout } = await podfs(t, ['doctor', '-o', 'json'], {
      wrapper: [
        'unshare',
        '--mount',
        'sh',
        '-ec',
        `${script}; exec "$@"`,
        'sh',
      ],
    })
    const found = (JSON.parse(stdout) as Check[]).find(
      ({ name }) => name === 'fuse.conf',
    )
    t.strictSame(found, { name: 'fuse.conf', status: 'ok', detail }, title)
  }
})

t.test('takes no argument', async t => {
  const { code, stderr } = await podfs(t, ['doctor', 'now'])
  t.equal(code, 2)
  t.equal(stderr, 'error: doctor takes no argument: now\n')
})
