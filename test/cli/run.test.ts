import t from 'tap'
import { existsSync, readFileSync } from 'node:fs'
import {
  cp,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
  readlink,
} from 'node:fs/promises'
import path from 'node:path'
import {
  allCapabilities,
  defaultCapabilities,
} from '../../src/linux/capabilities.ts'
import { capability, isRoot, needsRoot } from '../helpers/capability.ts'
import {
  eventually,
  inContainer,
  isRunning,
  podfs,
  podfsMounts,
  startPodfs,
  runtimeDirectory,
  stateDirectory,
} from '../helpers/podfs.ts'
import '../helpers/needs-mounts.ts'

/** What a Pod must not leave behind. */
async function leftovers(pid: number): Promise<string[]> {
  const directory = `${runtimeDirectory}/run-${pid}`
  return [...podfsMounts(), ...(existsSync(directory) ? [directory] : [])]
}

async function edit(
  file: string,
  change: (text: string) => string,
): Promise<void> {
  const text = change(await readFile(file, 'utf8'))
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

t.test('the quickstart: two processes, one Pod', async t => {
  const dir = t.testdir()
  await cp('examples/quickstart', dir, { recursive: true })
  const run = startPodfs(t, ['run', '-f', dir])
  await run.saw(
    /^web    \| I am quickstart; \/etc\/hosts says: 127\.\d+\.\d+\.\d+ quickstart$/m,
  )
  await run.saw(/^web    \| greeting: hello, password: 9 bytes$/m)
  await run.saw(
    /^worker \| labels: app="quickstart" tier="demo", token: eyJ\S+, greeting: hello$/m,
  )

  await edit(path.join(dir, 'config.yaml'), text =>
    text.replace('hello', 'good morning'),
  )
  await run.saw(/^web    \| greeting: good morning, /m)
  await run.saw(/^worker \| .* greeting: good morning$/m)
  await edit(path.join(dir, 'app.yaml'), text =>
    text.replace('tier: demo', 'tier: test'),
  )
  await run.saw(/^worker \| .*tier="test"/m)

  const at = Date.now()
  run.child.kill('SIGINT')
  const { code, stdout } = await run.ended
  t.equal(code, 130)
  t.match(stdout, /^web    \| web: bye$/m)
  t.match(stdout, /^worker \| worker: bye$/m)
  t.ok(Date.now() - at < 20_000, 'nobody waited for the grace period')
  t.strictSame(await leftovers(run.pid), [])
})

t.test('kill -9 leaves no process and no mount', async t => {
  const run = startPodfs(t, ['run', '-f', 'examples/quickstart'])
  await run.saw(/^worker \| labels/m)
  const children = await descendants(run.pid)
  t.ok(children.length >= 4)
  run.child.kill('SIGKILL')
  await run.ended
  await eventually(() => podfsMounts().length === 0)
  await eventually(() => !children.some(isRunning))
})

async function descendants(pid: number): Promise<number[]> {
  const parents = new Map<number, number>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    parents.set(
      Number(name),
      Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]),
    )
  }
  const below = (of: number): number[] =>
    [...parents]
      .filter(([, parent]) => parent === of)
      .flatMap(([child]) => [child, ...below(child)])
  return below(pid)
}

async function isInContainer(pid: number | string): Promise<boolean> {
  const namespaceOf = (who: number | string): Promise<string> =>
    readlink(`/proc/${who}/ns/pid`).catch(() => '')
  return (await namespaceOf(pid)) !== (await namespaceOf('self'))
}

t.test('classic (a): two Secrets in one projected volume', async t => {
  const run = startPodfs(t, [
    'run',
    '-f',
    'examples/classic/projected-secrets.yaml',
  ])
  const pid = await eventually(async () => {
    for (const candidate of await descendants(run.pid)) {
      const cmdline = await readFile(
        `/proc/${candidate}/cmdline`,
        'utf8',
      ).catch(() => '')
      // A keeper sleeps too, but not in a PID namespace of its own.
      if (/^(\S*\/)?sleep\0/.test(cmdline) && (await isInContainer(candidate)))
        return candidate
    }
    return undefined
  })
  const inside = (...argv: string[]) => inContainer(pid, argv)
  t.equal(inside('cat', '/projected-volume/username.txt'), 'admin')
  t.equal(inside('cat', '/projected-volume/password.txt'), 'c1oudc0w!')
  t.equal(inside('ls', '/projected-volume'), 'password.txt\nusername.txt\n')
  t.notOk(
    existsSync('/projected-volume'),
    'the mount point is not made on the host',
  )
  run.child.kill('SIGINT')
  // PID 1 ignores TERM unless it handles it: the second one kills at once.
  await run.saw(/terminating/, 'stderr')
  run.child.kill('SIGINT')
  t.equal((await run.ended).code, 130)
  t.strictSame(await leftovers(run.pid), [])
})

t.test(
  'classic (b): labels, printed by a script for busybox',
  { skip: capability('busybox') },
  async t => {
    const run = startPodfs(t, [
      'run',
      '-f',
      'examples/classic/downward-api.yaml',
    ])
    await run.saw(
      /^client-container \| \nclient-container \| \nclient-container \| cluster="test-cluster1"\nclient-container \| rack="rack-22"\nclient-container \| zone="us-est-coast"/,
    )
    run.child.kill('SIGINT')
    await run.saw(/terminating/, 'stderr')
    run.child.kill('SIGINT')
    await run.ended
  },
)

t.test('classic (c): host aliases', async t => {
  const { code, stdout, stderr } = await podfs(t, [
    'run',
    '-f',
    'examples/classic/host-aliases.yaml',
  ])
  t.equal(code, 0, stderr)
  const lines = stdout
    .split('\n')
    .map(line => line.replace(/^cat-hosts \| /, ''))
  const ip =
    /^(127\.\S+)\thostaliases-pod$/m.exec(lines.join('\n'))?.[1] ?? 'no podIP'
  t.strictSame(lines, [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    `${ip}\thostaliases-pod`,
    '',
    '# Entries added by HostAliases.',
    '127.0.0.1\tfoo.local\tbar.local',
    '10.1.2.3\tfoo.remote\tbar.remote',
    '',
  ])
})

t.test(
  'classic (d): nginx with hooks',
  { skip: capability('nginx') || capability('ip') || needsRoot('port') },
  async t => {
    // A network of its own: the image listens on port 80 of all addresses.
    const wrapper = [
      'unshare',
      '--net',
      'sh',
      '-c',
      'ip link set lo up && exec "$@"',
      'sh',
    ]
    const run = startPodfs(
      t,
      ['run', '-f', 'examples/classic/lifecycle.yaml'],
      { wrapper },
    )
    const pid = await eventually(async () => {
      for (const candidate of await descendants(run.pid)) {
        const cmdline = await readFile(
          `/proc/${candidate}/cmdline`,
          'utf8',
        ).catch(() => '')
        if (cmdline.startsWith('nginx: worker')) return candidate
      }
      return undefined
    })
    const message = () =>
      readFile(`/proc/${pid}/root/usr/share/message`, 'utf8').catch(() => '')
    await eventually(
      async () => (await message()) === 'Hello from the postStart handler\n',
    )
    t.notOk(existsSync('/usr/share/message'), 'not on the host')
    run.child.kill('SIGTERM')
    const { code } = await run.ended
    t.equal(code, 143)
    t.strictSame(await leftovers(run.pid), [])
  },
)

t.test('a prompt is seen before its line ends; a long line is one', async t => {
  const dir = t.testdir()
  const input = `apiVersion: v1
kind: Pod
metadata: {name: asks}
spec:
  restartPolicy: Never
  containers:
  - name: c
    image: busybox
    command: [sh, -c, 'printf "Name: "; until test -e "${dir}/go"; do sleep 0.05; done; echo Joe; head -c 200000 /dev/zero | tr "\\0" x; echo end']
`
  const run = startPodfs(t, ['run', '-f', '-'], { input })
  await run.saw(/^c \| Name: $/)
  await writeFile(path.join(dir, 'go'), '')
  const { code, stdout } = await run.ended
  t.equal(code, 0)
  t.equal(stdout, `c | Name: Joe\nc | ${'x'.repeat(200_000)}end\n`)
})

t.test('no right but a run-time’s, and nothing of podfs’s own', async t => {
  const input = `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  restartPolicy: Never
  volumes: [{name: own, emptyDir: {}}]
  containers:
  - name: c
    image: debian
    command: [sh, -c, 'sed -n "s/CapBnd://p" /proc/self/status; for each in ${runtimeDirectory} ${stateDirectory}; do ls -A $each; done; echo end']
    volumeMounts: [{name: own, mountPath: /own}]
`
  const bounding = /^CapBnd:\s*(\w+)$/m.exec(
    await readFile('/proc/self/status', 'utf8'),
  )?.[1]
  const bits = defaultCapabilities.map(
    name => 1n << BigInt(allCapabilities.indexOf(name)),
  )
  // What this test itself lacks nobody can have.
  const rights = bits.reduce((all, bit) => all | bit) & BigInt(`0x${bounding}`)
  const { code, stdout, stderr } = await podfs(t, ['run', '-f', '-'], { input })
  t.equal(code, 0)
  t.equal(stdout, `c | \t${rights.toString(16).padStart(16, '0')}\nc | end\n`)
  // Those of an ordinary user are covered.
  for (const own of isRoot ? [runtimeDirectory, stateDirectory] : [])
    t.match(stderr, `'${own}': No such file or directory`)
})

t.test('exit codes and errors', async t => {
  const pod = (container: string, more = '') => `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  restartPolicy: Never
  containers:
  - {name: c, ${container}}
${more}`
  const cases = [
    { text: pod('image: busybox, command: [sh, -c, exit 0]'), code: 0 },
    {
      text: pod('image: busybox, command: [sh, -c, exit 7]'),
      code: 1,
      error: 'error: Pod default/p has failed: container c: exit code 7',
    },
    {
      text: pod('image: example.com/unknown'),
      code: 1,
      error: "--image 'example.com/unknown=",
    },
    {
      text: pod('image: busybox, command: [no-such-program]'),
      code: 1,
      error: 'no-such-program',
    },
    {
      text:
        pod('image: busybox') +
        '---\n' +
        pod('image: busybox').replace('name: p}', 'name: q}'),
      code: 2,
      error: 'name one of them: p, q',
    },
    {
      text: 'apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 1}]}\n',
      code: 2,
      error: 'there is no Pod in the input',
    },
    { text: pod('image: busybox, comand: [sh]'), code: 1, error: 'comand' },
  ]
  for (const { text, code, error } of cases) {
    const ended = await podfs(t, ['run', '-f', '-'], { input: text })
    t.equal(ended.code, code, ended.stderr)
    if (error !== undefined) t.ok(ended.stderr.includes(error), ended.stderr)
    t.notMatch(ended.stderr, /^ +at /m, 'no stack trace')
  }
  t.strictSame(podfsMounts(), [])
})

t.test('--no-recreate: a change is told, and its end too', async t => {
  const dir = t.testdir()
  const file = path.join(dir, 'app.yaml')
  await cp('examples/quickstart', dir, { recursive: true })
  const run = startPodfs(t, ['run', '-f', dir, '--no-recreate'])
  await run.saw(/^worker \| labels/m)
  await edit(file, text => text.replace('sleep 0.1', 'sleep 0.2'))
  await run.saw(
    /^podfs: Pod default\/quickstart: spec\.containers\[0\]\.args\[0\] changed: end podfs and run it again to apply that$/m,
    'stderr',
  )
  await edit(file, text => text.replace('sleep 0.2', 'sleep 0.1'))
  await run.saw(/the file is again what runs/, 'stderr')
  await rm(file)
  t.equal((await run.ended).code, 0, 'a Pod without a file ends, in peace')
})

t.test('a restart is told', async t => {
  const run = startPodfs(t, ['run', '-f', '-'], {
    input: `apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: c, image: busybox, command: [sh, -c, exit 3]}]}
`,
  })
  await run.saw(
    /^podfs: container c ended \(exit code 3\) and was started again: restart 1$/m,
    'stderr',
  )
  await run.saw(/"reason":"BackOff"/, 'stderr')
  run.child.kill('SIGTERM')
  t.equal((await run.ended).code, 143)
})

t.test(
  'on a terminal, output stands above the countdown',
  { skip: capability('script') },
  async t => {
    const dir = t.testdir({
      'pod.yaml': `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - name: c
    image: busybox
    command: [sh, -c, "trap 'echo ending; sleep 0.2; echo ended; exit 0' TERM; echo up; while :; do sleep 1000 & wait; done"]
`,
    })
    const run = startPodfs(t, ['run', '-f', path.join(dir, 'pod.yaml')], {
      // script(1) takes one word of shell.
      wrapper: [
        'bash',
        '-c',
        'exec script -qefc "$(printf "%q " "$@")" /dev/null',
        'bash',
      ],
      env: { SHELL: '/bin/sh' },
    })
    await run.saw(/c \| up/)
    const podfsPid = await eventually(async () =>
      (await descendants(run.pid)).find(pid =>
        readFileSync(`/proc/${pid}/comm`, 'latin1').startsWith('node'),
      ),
    )
    process.kill(podfsPid, 'SIGINT')
    const { stdout } = await run.ended
    const clear = String.raw`\r\u001b\[K`
    const countdown = String.raw`podfs: terminating, \d+ s left; a second Ctrl-C kills at once`
    t.match(stdout, new RegExp(`${clear}${countdown}${clear}c \\| ending\r?\n`))
    t.match(stdout, new RegExp(`${clear}${countdown}${clear}c \\| ended\r?\n`))
    t.match(stdout, new RegExp(`${clear}$`), 'nothing of it stays')
  },
)
