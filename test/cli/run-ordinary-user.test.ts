import { once } from 'node:events'
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { hierarchies } from '../helpers/cgroups.ts'
import { lacksNetworks } from '../helpers/network-world.ts'
import {
  lacksOrdinaryUser,
  ordinaryUser,
  type OrdinaryUser,
} from '../helpers/ordinary-user.ts'
import { eventually, podfs, startPodfs } from '../helpers/podfs.ts'

/*
 * `podfs run` of somebody who is not root, in a user and a mount namespace of its own.
 */

t.setTimeout(300_000)
const skip = lacksOrdinaryUser()
const quickstart = path.resolve('examples/quickstart')

async function leavesNothing(user: OrdinaryUser): Promise<void> {
  await eventually(() => user.processes().length === 0)
  const left = readdirSync(`${user.root}${user.runtime}/podfs`)
  if (left.some(name => /^(run|enter|gateway)-/.test(name)))
    throw new Error(`left in the run-time directory: ${left.join(' ')}`)
}

/** What containers may write to is begun before podfs, and there once. */
function skeletonsOf(pid: number): readonly string[] {
  const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
  return mounts.match(/\S*\/skeleton\S*/g) ?? []
}

t.test('the quickstart, looked into, to its end', { skip }, async t => {
  const user = await ordinaryUser(t)
  const running = user.startPodfs(['run', '-f', quickstart])
  await running.saw(/^web +\| greeting: hello, password: 9 bytes$/m)
  await running.saw(/^worker \| labels: .*greeting: hello$/m)
  t.match(await user.podfs(['get', 'pods']), {
    code: 0,
    stdout: /quickstart +2\/2 +Running/,
  })
  t.match(
    (await user.podfs(['logs', 'quickstart', '-c', 'web'])).stdout,
    /I am/,
  )
  t.strictSame(skeletonsOf(running.pid), [`${user.runtime}/podfs/skeleton`])
  // It stays the process that was started.
  const looks =
    'id -u; id -G; hostname; tr "\\0" " " </proc/1/cmdline; grep -c . /proc/self/mountinfo'
  const inside = await user.podfs(
    ['exec', 'quickstart', '-c', 'web', '--', 'sh', '-c', looks],
    {},
  )
  t.match(inside, { code: 0, stdout: /^0\n0\nquickstart\n/ })
  // A second one is a session and a machine of its own.
  const other = user.startPodfs(['run', '-f', quickstart])
  await other.saw(/password: 9 bytes/)
  other.child.kill('SIGKILL')
  await other.ended
  running.child.kill('SIGINT')
  const ended = await running.ended
  t.equal(ended.code, 130)
  t.match(ended.stdout, /web: bye/)
  // What the killed one has left goes with its namespaces; the next one removes its directory.
  await eventually(() => user.processes().length === 0)
  t.equal(
    (await user.podfs(['run', '-f', '-'], { input: job('true') })).code,
    0,
  )
  await leavesNothing(user)
})

const job = (script: string, context = '{}'): string => `
apiVersion: v1
kind: Pod
metadata: { name: job }
spec:
  restartPolicy: Never
  securityContext: ${context}
  volumes:
    - { name: memory, emptyDir: { medium: Memory } }
    - { name: disk, emptyDir: {} }
    - { name: secret, secret: { secretName: db, defaultMode: 0o440 } }
  containers:
    - name: job
      image: busybox
      command: [sh, -euc, ${JSON.stringify(script)}]
      volumeMounts:
        - { name: memory, mountPath: /memory }
        - { name: disk, mountPath: /disk }
        - { name: secret, mountPath: /secret }
---
apiVersion: v1
kind: Secret
metadata: { name: db }
stringData: { password: hunter2 }
`

t.test('users and groups of a range', { skip }, async t => {
  const user = await ordinaryUser(t)
  const run = (script: string, context?: string) =>
    user.podfs(['run', '-f', '-'], { input: job(script, context) })
  const whole =
    '{ runAsUser: 1001, runAsGroup: 1002, fsGroup: 2000, supplementalGroups: [3000] }'
  const looks = [
    'id -u; id -un; id -g; echo $(id -G | tr " " "\\n" | sort -n)',
    'cat /secret/password; echo; stat -Lc "%u %g %a" /secret/password',
    'for d in memory disk; do echo a >/$d/a; stat -c "%u %g" /$d/a; done',
    '! echo a >/etc/a 2>/dev/null; ! echo a >/secret/a 2>/dev/null',
  ].join('\n')
  const { code, stdout } = await run(looks, whole)
  t.equal(code, 0)
  const seen = stdout
    .replaceAll(/^job \| /gm, '')
    .trim()
    .split('\n')
  t.equal(
    seen.join(', '),
    '1001, 1001, 1002, 1002 2000 3000, hunter2, 0 2000 440, 1001 2000, 1001 2000',
  )
  const beyond = '{ runAsUser: 70000, fsGroup: 70001 }'
  t.match(await run('true', beyond), {
    code: 1,
    stdout: '',
    stderr:
      /^error: stdin:7:\d+: Pod default\/job: spec\.securityContext\.runAsUser: there is no user 70000, but 0 to 65536\nerror: .*fsGroup: there is no group 70001, but 0 to 65536\n/,
  })
  await leavesNothing(user)
})

t.test('what a container may write', { skip }, async t => {
  const user = await ordinaryUser(t)
  const marker = `podfs-marker-${user.uid}`
  const script = [
    // Root's files of /etc are copies; elsewhere they can be replaced.
    'echo x >>/etc/passwd; echo x >/etc/hosts',
    ...[
      'etc',
      'usr',
      'usr/bin',
      'usr/local/bin',
      'var/log',
      'var/lib',
      'opt',
    ].map(directory => `echo x >/${directory}/${marker}`),
    '! { echo x >>/usr/bin/env; } 2>/dev/null',
    'sed -i s/root/superuser/ /etc/passwd; grep -q ^superuser /etc/passwd',
    'cp /usr/bin/env /tmp/env; mv -f /tmp/env /usr/bin/env; env true',
    'rm /usr/bin/env; ! [ -e /usr/bin/env ]',
    'stat -c "%u %g %a" /etc /usr/bin /var/tmp',
    // The user's own.
    `echo x >${user.home}/made`,
    'ls /sys/class/net >/dev/null; ! mount -t tmpfs tmpfs /mnt 2>/dev/null',
    '[ $$$$ = 1 ]; [ ! -s /proc/interrupts ]; ! { echo 1 >/proc/sys/vm/swappiness; } 2>/dev/null',
  ].join('\n')
  const ended = await user.podfs(['run', '-f', '-'], { input: job(script) })
  t.match(ended, {
    code: 0,
    stdout: 'job | 0 0 755\njob | 0 0 755\njob | 0 0 1777\n',
  })
  t.equal(ended.stderr.match(/in place \(EACCES\)/g)?.length, 1, 'told once')
  t.equal((await user.sh(`cat made; rm made`)).stdout, 'x\n')
  t.equal(
    (await user.sh(`ls -d /usr/bin/env /usr/${marker}`)).stdout,
    '/usr/bin/env\n',
  )
  await leavesNothing(user)
})

t.test(
  'privileged, a read-only root, the machine’s pids',
  { skip },
  async t => {
    const user = await ordinaryUser(t)
    const own = path.join(user.home, 'own')
    const container = (name: string, context: object, script: string[]) => ({
      name,
      image: 'busybox',
      command: ['sh', '-euc', script.join('\n')],
      securityContext: context,
      volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
    })
    const denied = (act: string): string => `! { ${act}; } 2>/dev/null`
    const fixed = container('fixed', { readOnlyRootFilesystem: true }, [
      ...['/', '/etc', '/usr/bin', '/var/tmp', '/tmp', '/run', user.home].map(
        directory => denied(`echo x >${directory}/made`),
      ),
      denied('echo x >>/etc/passwd'),
      'echo x >/scratch/file; echo x >/dev/null',
      // What /proc shows is what the namespaces have.
      `[ $(tr '\\0' ' ' </proc/${process.pid}/cmdline | wc -c) -gt 1 ]`,
      'for each in pid ipc uts net; do readlink /proc/self/ns/$each; done',
    ])
    const mighty = container('mighty', { privileged: true }, [
      'mount -t tmpfs tmpfs /mnt; echo x >/mnt/file',
      'grep CapEff /proc/self/status',
      `echo x >${own}`,
      // No more than the user may.
      denied('mknod /scratch/null c 1 3'),
      denied('echo 1 >/proc/sys/vm/swappiness'),
      denied('cat /etc/shadow /proc/1/environ'),
      denied('kill -0 1'),
    ])
    const podOf = (...containers: object[]): string =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'machines' },
        spec: {
          restartPolicy: 'Never',
          hostPID: true,
          hostIPC: true,
          containers,
          volumes: [{ name: 'scratch', emptyDir: {} }],
        },
      })
    const run = ['run', '-f', '-']
    const ended = await user.podfs(run, { input: podOf(fixed, mighty) })
    t.equal(ended.code, 0, ended.stderr)
    const ofMachine = (name: string) => readlinkSync(`/proc/self/ns/${name}`)
    const lines = ended.stdout.split('\n')
    const [pid, ipc, uts, net] = lines
      .filter(line => line.startsWith('fixed'))
      .map(line => line.replace(/^fixed +\| /, ''))
    t.equal(pid, ofMachine('pid'))
    t.equal(ipc, ofMachine('ipc'))
    t.equal(net, ofMachine('net'))
    t.not(uts, ofMachine('uts'))
    t.match(ended.stdout, /^mighty \| CapEff:\t000001ffffffffff$/m)
    t.match(ended.stderr, 'privileged: mighty can do on this machine')
    t.equal((await user.sh(`cat ${own}`)).stdout, 'x\n')
    await leavesNothing(user)

    await t.test('what outlives podfs is ended by the next one', async t => {
      const leaving = (name: string, context: object) =>
        container(name, context, [
          '(setsid sleep 1000 >/dev/null 2>&1 &); echo up; exec sleep 2000',
        ])
      const input = podOf(
        leaving('own', {}),
        leaving('other', { runAsUser: 1000 }),
      )
      const killed = user.startPodfs(run, { input })
      for (const name of ['own', 'other'])
        await killed.saw(new RegExp(`^${name} +\\| up$`, 'm'))
      killed.child.kill('SIGKILL')
      await killed.ended
      // In the machine's PID namespace nobody ends them with podfs.
      await eventually(() => {
        const left = user.processes()
        return (
          left.length === 2 && left.every(line => line.endsWith(' sleep 1000'))
        )
      })
      t.match(await user.podfs(run, { input: job('true') }), { code: 0 })
      await leavesNothing(user)
    })
  },
)

t.test('one id', { skip }, async t => {
  const reasons = [
    {
      options: { range: false },
      why: /has no range in \/etc\/subuid and \/etc\/subgid\n  .*usermod --add-subuids 100000-165535/,
      inPlace: 'changed, 0',
      told: /^podfs: without root, containers can replace programs .* in place \(EACCES\)$/m,
    },
    {
      options: { hidden: ['newuidmap', 'fuse-overlayfs'] },
      why: /newuidmap and newgidmap are not installed\n  .*apt-get install uidmap\n/,
      inPlace: 'refused, 65534',
      told: /^podfs: without root and fuse-overlayfs, .* in place \(EACCES\); sudo apt-get install fuse-overlayfs$/m,
    },
  ]
  const file = '/usr/share/common-licenses/GPL-3'
  for (const { options, why, inPlace, told } of reasons) {
    const user = await ordinaryUser(t, options)
    const run = (script: string, context?: string) =>
      user.podfs(['run', '-f', '-'], { input: job(script, context) })
    const looks = `id -u; cat /secret/password; echo; { echo x >>${file}; } 2>/dev/null && did=changed || did=refused; echo $did, $(stat -c %u ${file})`
    t.match(await run(looks, '{ runAsUser: 0, fsGroup: 0 }'), {
      code: 0,
      stdout: `job | 0\njob | hunter2\njob | ${inPlace}\n`,
      stderr: told,
    })
    const refused = await run('true', '{ runAsUser: 1001 }')
    t.match(refused, {
      code: 1,
      stdout: '',
      stderr:
        /^error: stdin:7:\d+: Pod default\/job: spec\.securityContext\.runAsUser: there is no user 1001, but 0 alone: /,
    })
    t.match(refused.stderr, why)
    await leavesNothing(user)
  }
})

t.test('its command line stays as it was typed', { skip }, async t => {
  const user = await ordinaryUser(t)
  const file = path.join(user.home, 'a pod.yaml')
  writeFileSync(file, job('echo done'))
  t.match(await user.podfs(['run', '-f', 'a pod.yaml']), { code: 0 })
  const node = `${process.execPath} ${path.resolve('dist/podfs.cjs')}`
  // A descriptor that the shell has opened, and one that is among those that Node closes.
  for (const fd of [11, 63]) {
    const shell = `exec ${fd}<'a pod.yaml'; ${node} run -f /dev/fd/${fd}`
    t.match(await user.sh(`bash -c ${JSON.stringify(shell)}`), {
      code: 0,
      stdout: 'job | done\n',
    })
  }
  t.match(await user.podfs(['run', '--help']), {
    code: 0,
    stdout: /podfs run -f/,
  })
  t.match(await user.podfs(['run', '--nonsense']), { code: 2 })
  t.match(
    await user.podfs(['run', '-f', file], { env: { PODFS_LOG_LEVEL: 'loud' } }),
    { code: 2, stderr: /PODFS_LOG_LEVEL/ },
  )
  // Nobody else waits at a pipe that has become non-blocking.
  const piped = `(${node} run -f 'a pod.yaml'; head -c 300000 /dev/zero) | (sleep 0.2; wc -c)`
  t.match(await user.sh(piped), { code: 0, stdout: '300011\n' })
})

const served = (name: string, script = ''): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${name} } }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: c
      image: busybox
      command:
        - sh
        - -c
        - |
          mkdir /tmp/pages; echo ${name} >/tmp/pages/index.html
          echo at $IP
          ${script}
          exec httpd -f -p 8080 -h /tmp/pages
      env: [{ name: IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }]
      ports:
        - { containerPort: 8080 }
        - { containerPort: 9000, protocol: UDP }
      readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: ${name} }, ports: [{ port: 80, targetPort: 8080 }] }
---`

t.test('networks of Pods', { skip: skip || lacksNetworks() }, async t => {
  const user = await ordinaryUser(t)
  const outside = createServer(socket => socket.end('from outside\n'))
  outside.listen({ port: 0, host: '0.0.0.0' })
  await once(outside, 'listening')
  t.teardown(() => outside.close())
  const { port } = outside.address() as { port: number }
  const machine = Object.values(networkInterfaces())
    .flatMap(list => list ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)
  const until = (command: string): string =>
    `until ${command}; do sleep 0.2; done`
  const echo =
    'import socket; s=socket.socket(2,2); s.bind(("",9000)); m=s.recvfrom(9000); s.sendto(*m)'
  const input = [
    served('one', `python3 -c '${echo}' &`),
    served('two', until('wget -q -O - http://one/')),
    served(
      'three',
      [
        until('wget -q -O - http://two/'),
        ...(machine === undefined
          ? []
          : [until(`nc ${machine.address} ${port} </dev/null | grep from`)]),
      ].join('; '),
    ),
  ].join('\n')
  const args = ['run', '-f', '-', '--all', '--network=pod']
  const run = user.startPodfs(args, { input })
  await run.saw(/^two\/c +\| one$/m)
  await run.saw(/^three\/c +\| two$/m)
  if (machine !== undefined) await run.saw(/^three\/c +\| from outside$/m)
  const places = await Promise.all(
    ['one', 'two'].map(async name => {
      const [, ip = ''] = await run.saw(
        new RegExp(`^${name}/c +\\| at (10\\..*)$`, 'm'),
      )
      const [, place = ''] = await run.saw(
        new RegExp(
          `^podfs: Pod default/${name}: port 8080 is at (127\\S+:8080), for Pods at ${ip}:8080$`,
          'm',
        ),
        'stderr',
      )
      return { name, ip, place }
    }),
  )
  t.strictSame(skeletonsOf(run.pid), [`${user.runtime}/podfs/skeleton`])
  t.not(places[0]?.ip, places[1]?.ip)
  t.not(places[0]?.place, places[1]?.place, 'each has the port')
  for (const { name, ip, place } of places) {
    const { stdout } = await user.sh(`busybox wget -q -O - http://${place}/`)
    t.equal(stdout, `${name}\n`, 'from the user’s shell')
    for (const from of ['one', 'two', 'three']) {
      const ask = ['exec', from, '--', 'wget', '-q', '-O', '-']
      const said = await user.podfs([...ask, `http://${ip}:8080/`])
      t.match(said, { stdout: `${name}\n` }, `from ${from}`)
    }
  }
  const [host] = (places[0]?.place ?? '').split(':')
  const ask = `import socket; s=socket.socket(2,2); s.settimeout(30); s.connect(("${host}",9000)); s.send(b"x"*5000); print(len(s.recv(9000)))`
  t.equal((await user.sh(`python3 -c '${ask}'`)).stdout, '5000\n', 'UDP, too')
  t.match((await user.podfs(['get', 'pods'])).stdout, /one +1\/1 +Running/)

  await t.test('pasta and its gateway are killed', async () => {
    const pidsOf = (pattern: RegExp): number[] =>
      user
        .processes()
        .filter(line => pattern.test(line))
        .map(line => Number(line.split(' ')[0]))
    const pasta = /^\d+ \S*pasta(\.avx2)? --foreground/
    const before = pidsOf(pasta)
    for (const pid of before) process.kill(pid, 'SIGKILL')
    await eventually(() => {
      const now = pidsOf(pasta)
      return now.length > 0 && !now.some(pid => before.includes(pid))
    })
    for (const pid of pidsOf(/gateway\.cjs/)) process.kill(pid, 'SIGKILL')
    await run.saw(/^podfs: the gateway to this machine is gone/m, 'stderr')
    await eventually(() => pidsOf(pasta).length === 0)
  })
  run.child.kill('SIGKILL')
  await run.ended
  await eventually(() => user.processes().length === 0)

  await t.test('without pasta', async t => {
    const alone = await ordinaryUser(t, { hidden: ['pasta'] })
    const pod = { input: job('ip route; grep -c . /etc/resolv.conf') }
    const ended = await alone.podfs(['run', '-f', '-', '--network=pod'], pod)
    t.match(ended, {
      code: 0,
      stdout: /^job \| default via 10\./m,
      stderr:
        /^podfs: network pod: Pods reach one another, but neither this machine nor .*: pasta \(package passt\) is not installed\n/,
    })
    writeFileSync(
      `${alone.root}${alone.home}/podfs.yaml`,
      'cni: { binDirs: [/nowhere] }\n',
    )
    t.match(await alone.podfs(['run', '-f', '-', '--network=pod'], pod), {
      code: 3,
      stdout: '',
      stderr:
        /^error: network pod: this machine lacks .*, and pasta; podfs works with network host\n +as root: apt-get install passt iproute2\n$/,
    })
    await leavesNothing(alone)
  })
  await t.test('on the machine’s network a Service’s port 80', async t => {
    const spec =
      '{ selector: { app: web }, ports: [{ name: a, port: 80 }, { name: b, port: 8080 }] }'
    const input = `${job('sleep 1').replace('name: job', '$&, labels: { app: web }')}
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: ${spec}
`
    const { code, stderr } = await user.podfs(['run', '-f', '-'], { input })
    t.equal(code, 0)
    const sysctl = 'sudo sysctl -w net.ipv4.ip_unprivileged_port_start'
    const told = stderr
      .split('\n')
      .filter(line => /port_start|listens/.test(line))
    t.strictSame(told, [
      `podfs: the names of Services stand in the hosts files of containers alone, because nobody may listen at port 53 without root: programs that ask a name server (nslookup) do not find them; --network pod, or ${sysctl}=53`,
      `podfs: Service default/web: nothing is forwarded at port 80, at which nobody may listen without root; --network pod, or ${sysctl}=80`,
    ])
  })
  await leavesNothing(user)
})
const v2 = hierarchies.find(({ version }) => version === 2)

t.test(
  'limits, in a cgroup that is delegated',
  { skip: skip || (v2 === undefined && 'needs cgroup v2') },
  async t => {
    const user = await ordinaryUser(t)
    const given = path.join(v2?.base ?? '', `podfs-test-${user.name}`)
    const controllers = v2?.controllers ?? []
    for (const name of controllers)
      writeFileSync(`${v2?.base}/cgroup.subtree_control`, `+${name}`)
    mkdirSync(given)
    t.teardown(() => {
      for (const place of [`${given}/podfs-others`, `${given}/podfs`, given])
        if (existsSync(place)) rmdirSync(place)
    })
    for (const file of ['', 'cgroup.procs', 'cgroup.subtree_control'])
      chownSync(path.join(given, file), user.uid, user.uid)
    // Who is in there already goes on.
    const startIn = (place: string): string[] => [
      'sh',
      '-c',
      'echo 0 >"$0" && exec "$@"',
      `${place}/cgroup.procs`,
      ...user.wrapper,
    ]
    const script = [
      'own=$(sed -n "s/^0:://p" /proc/self/cgroup)',
      `place=${v2?.base}$own`,
      `[ -d "$place" ] && ! { echo 0 >${given}/podfs-others/cgroup.procs; } 2>/dev/null`,
      '[ ! -e "$place/hugetlb.2MB.max" ] || [ "$(cat "$place/hugetlb.2MB.max")" = 0 ]',
      'echo "in $own"; sleep 1000 &',
    ]
    const limited = (...more: string[]): string =>
      job([...script, ...more].join('\n')).replace(
        'image: busybox',
        'image: busybox\n      resources: { limits: { memory: 64Mi, cpu: 500m } }',
      )
    const running = startPodfs(t, ['run', '-f', '-'], {
      wrapper: startIn(given),
      input: limited('wait'),
    })
    const [, own = ''] = await running.saw(/^job \| in (.*)$/m)
    t.match(own, new RegExp(`^/podfs-test-${user.name}/podfs/pod.*/job-1$`))
    running.child.kill('SIGKILL')
    await running.ended
    await eventually(() => user.processes().length === 0)
    // As from the same shell.
    const next = await podfs(t, ['run', '-f', '-'], {
      wrapper: startIn(`${given}/podfs-others`),
      input: limited(),
    })
    t.match(next, { code: 0, stdout: /^job \| in .*\/job-1\n$/ })
    t.notMatch(next.stderr, /delegated/)
    t.same(
      readdirSync(given, { withFileTypes: true })
        .filter(entry => entry.isDirectory())
        .map(({ name }) => name),
      ['podfs-others'],
      'what the killed one has left is gone, too',
    )
    await leavesNothing(user)
  },
)
