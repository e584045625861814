import { readFileSync, readlinkSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import t from 'tap'
import { lacksNetworks } from '../helpers/network-world.ts'
import { lacksOrdinaryUser, ordinaryUser } from '../helpers/ordinary-user.ts'
import { eventually, isRunning, type RunningPodfs } from '../helpers/podfs.ts'

t.setTimeout(240_000)
const skip = lacksOrdinaryUser('newuidmap')

const manifest = (value: string): string => `apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data: {key: ${value}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, annotations: {podfs.io/run: "true"}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: web
      image: busybox
      command: [sh, -c, 'echo begun; exec sleep 1000']
      securityContext: {runAsUser: 1000, runAsGroup: 1000}
      volumeMounts: [{name: conf, mountPath: /conf}]
  volumes: [{name: conf, configMap: {name: conf}}]
`

/** What containers may write to is mounted for each Pod. */
function skeletonsOf(pid: number): number {
  const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
  return mounts.match(/\/skeleton-/g)?.length ?? 0
}

t.test('an ordinary user’s podfs serve', { skip }, async t => {
  const user = await ordinaryUser(t)
  const file = `${user.home}/pod.yaml`
  const write = async (value: string): Promise<void> => {
    await writeFile(`${file}.new`, manifest(value), { mode: 0o644 })
    await rename(`${file}.new`, file)
  }
  await write('one')
  const root = `${user.runtime}/podfs-root`
  const start = async (): Promise<RunningPodfs> => {
    const podfs = user.startPodfs(['serve', '-f', file])
    await podfs.saw(new RegExp(`^podfs: ${root} ready `, 'm'))
    return podfs
  }
  const key = ['exec', 'web', '--', 'cat', '/conf/key']
  const inContainer = async (): Promise<string> =>
    (await user.podfs(key)).stdout
  const namespaceOf = (pid: number): string =>
    readlinkSync(`/proc/${pid}/ns/mnt`)

  const first = await start()
  await eventually(async () => (await inContainer()) === 'one')
  const looks = `cat ${root}/default/configmaps/conf/key`
  const seen = async (): Promise<string> => (await user.sh(looks)).stdout
  t.equal(await seen(), 'one', 'by any program of the user')
  t.match(
    await user.sh(
      `id -u; stat -Lc %u ${root}/default/pods/web/conf/key; >${root}/x`,
    ),
    { stdout: `${user.uid}\n${user.uid}\n`, stderr: /Read-only file system/ },
  )
  const sleeps = user.processes().find(line => /^\d+ sleep 1000$/.test(line))
  const container = Number(sleeps?.split(' ')[0])
  t.match(
    readFileSync(`/proc/${container}/status`, 'utf8'),
    new RegExp(`^Uid:\\t${(user.uid - 20_000 + 15) * 65_536 + 999}\\t`, 'm'),
    'its user 1000 is one of the range',
  )

  await t.test('nobody else looks into it', async t => {
    const other = await ordinaryUser(t)
    for (const pid of [first.pid, container])
      for (const command of [
        `cat /proc/${pid}/environ`,
        `ls /proc/${pid}/root/`,
        `ls /proc/${pid}/fd/`,
        `nsenter --target=${pid} --user --preserve-credentials true`,
        `nsenter --target=${pid} --mount true`,
        `kill -0 ${pid}`,
      ])
        t.not((await other.sh(command)).code, 0, command)
    t.match((await other.podfs(['get', 'pods'])).stderr, /^error: no podfs/)
  })

  await t.test('the next one adopts mount and Pods', async t => {
    const before = namespaceOf(first.pid)
    first.child.kill('SIGKILL')
    await first.ended
    await write('two')
    t.equal(await seen(), 'one', 'it is served on')
    const open = user.sh(`exec 3<${root}/default/configmaps/conf/key
      until grep -q two ${root}/default/configmaps/conf/key; do sleep 0.1; done
      cat <&3`)
    const second = await start()
    t.equal(namespaceOf(second.pid), before, 'in the same namespaces')
    await eventually(async () => (await inContainer()) === 'two')
    t.equal((await open).stdout, 'one', 'the same mount')
    t.ok(isRunning(container), 'it ran on')
    t.equal(skeletonsOf(second.pid), 1)

    const ofTree = (): readonly string[] =>
      user
        .processes()
        .filter(line => /\/again-.* (?:answer-opens|fusermount)/.test(line))
    await eventually(() =>
      ofTree().some(line => /^\d+ \S+node .* standby /.test(line)),
    )
    const servers = ofTree()
    const pids = servers.map(line => Number(line.split(' ')[0]))
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await second.saw(/making another one/, 'stderr')
    await eventually(async () => (await seen()) === 'two')

    // Whose mounts are taken away by nobody but podfs.
    const shim = user
      .processes()
      .find(line => /^\d+ \S+ \S+\/pod-shim\.cjs /.test(line))
    process.kill(Number(shim?.split(' ')[0]), 'SIGKILL')
    await second.saw(/could not go on with Pod default\/web/, 'stderr')
    await eventually(() => skeletonsOf(second.pid) === 0)
    second.child.kill('SIGTERM')
    t.match(await second.ended, { code: 0 })
  })
  await eventually(() => user.processes().length === 0)
  t.equal((await user.sh('ls -A "$XDG_RUNTIME_DIR"')).stdout, 'podfs\n')
  t.equal((await user.sh('ls "$XDG_RUNTIME_DIR/podfs"')).stdout, '')
})

const lacksNetwork = skip || lacksNetworks()

t.test('with networks of Pods', { skip: lacksNetwork }, async t => {
  const user = await ordinaryUser(t)
  const file = `${user.home}/pod.yaml`
  const write = async (value: string): Promise<void> => {
    const text = manifest(value)
      .replace(
        'exec sleep 1000',
        'mkdir /tmp/pages; ln -s /conf/key /tmp/pages; exec httpd -f -p 8080 -h /tmp/pages',
      )
      .replace(
        'securityContext',
        'ports: [{containerPort: 8080}]\n      securityContext',
      )
    await writeFile(`${file}.new`, text, { mode: 0o644 })
    await rename(`${file}.new`, file)
  }
  await user.sh('mkdir before')
  const root = `${user.home}/before/tree`
  const start = async (): Promise<RunningPodfs> => {
    const args = ['serve', '-f', file, '--root', root, '--network=pod']
    const podfs = user.startPodfs(args)
    await podfs.saw(new RegExp(`^podfs: ${root} ready `, 'm'))
    return podfs
  }
  const key = `${root}/default/configmaps/conf/key`
  const seen = async (): Promise<string> => (await user.sh(`cat ${key}`)).stdout

  await write('one')
  const first = await start()
  t.equal(await seen(), 'one', 'by any program of the user')
  const [, place = ''] = await first.saw(
    /^podfs: Pod default\/web: port 8080 is at (127\S+:8080), /m,
    'stderr',
  )
  const served = async (): Promise<string> =>
    (await user.sh(`busybox wget -q -O - http://${place}/key`)).stdout
  await eventually(async () => (await served()) === 'one')
  await write('two')
  await eventually(async () => (await seen()) === 'two')
  await eventually(async () => (await served()) === 'two')

  first.child.kill('SIGKILL')
  t.notMatch((await first.ended).stderr, /in its namespaces only/)
  t.equal(await seen(), 'two', 'it is served on')
  await write('three')
  const second = await start()
  await eventually(async () => (await seen()) === 'three')
  await eventually(async () => (await served()) === 'three')
  t.match((await user.podfs(['get', 'pods'])).stdout, /web +1\/1 +Running +0 /)

  await t.test('a directory above its root is renamed', async t => {
    await rename(`${user.home}/before`, `${user.home}/after`)
    // That is no change of the table of mounts: podfs is made to look.
    for (const listed of user.processes())
      if (listed.includes(' findmnt --poll'))
        process.kill(Number.parseInt(listed, 10), 'SIGKILL')
    const { code, stderr } = await second.ended
    t.equal(code, 1)
    t.match(stderr, `error: the mount at ${root} is lost: somebody else has `)
    t.notMatch(stderr, /ERROR|^ +at /m)
    t.equal((await user.sh('ls -A after')).stdout, '', 'nothing of it is left')
  })
  await eventually(() => user.processes().length === 0)
})

t.test('without fusermount3', { skip }, async t => {
  const user = await ordinaryUser(t, { hidden: ['fusermount3'] })
  await writeFile(
    `${user.home}/conf.yaml`,
    manifest('one').split('---')[0] ?? '',
    { mode: 0o644 },
  )
  const podfs = user.startPodfs(['serve', '-f', 'conf.yaml', '--root', 'tree'])
  const [, look = ''] = await podfs.saw(
    /^podfs: .*\/tree is seen in its namespaces only \([^)]*apt-get install fuse3\): (nsenter --target=.*) ls /m,
    'stderr',
  )
  const looks = `${look} cat ${user.home}/tree/default/configmaps/conf/key`
  t.equal((await user.sh(looks)).stdout, 'one', 'as it says')
  podfs.child.kill('SIGINT')
  t.match(await podfs.ended, { code: 0 })
})
