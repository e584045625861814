import t from 'tap'
import { capability } from '../helpers/capability.ts'
import { cannotMount } from '../helpers/fuse-mount.ts'
import { podfs } from '../helpers/podfs.ts'

t.setTimeout(240_000)

/** An ordinary user who is root of a user namespace, as after `unshare -Urm`. */
const wrapper = (own: string): string[] => [
  'unshare',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs -o mode=755 tmpfs /run && exec "$@"',
  'sh',
  'setpriv',
  '--reuid=65534',
  '--regid=65534',
  '--clear-groups',
  'env',
  '-u',
  'NODE_OPTIONS',
  'unshare',
  '-Urm',
  'sh',
  '-c',
  `${own} && exec "$@"`,
  'sh',
]
const outside =
  '  start podfs as root of the machine, outside of this user namespace\n'

t.test(
  'in a user namespace each command is one clear line',
  { skip: (await cannotMount()) || capability('setpriv') },
  async t => {
    const dir = t.testdir({
      'pod.yaml': `apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: busybox}]}
`,
      conf: { key: 'value' },
    })
    const run = ['run', '-f', `${dir}/pod.yaml`]
    const mount = ['mount', `${dir}/conf`, '/tmp/podfs-test-nowhere']
    const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
      [
        'true',
        run,
        /^error: podfs run does not work in a user namespace: .*\n/,
      ],
      ['true', mount, /^error: cannot make \/run\/podfs: EACCES: .*\n/],
      [
        'true',
        [...mount, '--detach'],
        /^error: cannot make \/run\/podfs: EACCES: .*\n/,
      ],
      // A /run of its own, but the machine's /var/lib.
      [
        'mount -t tmpfs tmpfs /run',
        [
          'serve',
          '--backend=dir',
          '-f',
          `${dir}/pod.yaml`,
          '--root=/run/served',
        ],
        /^error: cannot make \/var\/lib\/podfs\/empty-dir: EACCES: .*\n/,
      ],
    ]
    for (const [own, args, said] of cases) {
      const ended = await podfs(t, args, { wrapper: wrapper(own), cwd: '/' })
      t.match(ended, { code: 3, stdout: '', stderr: said }, args.join(' '))
      t.equal(ended.stderr.replace(said, ''), outside, args.join(' '))
    }
  },
)
