import { readdirSync, readFileSync, readlinkSync, statfsSync } from 'node:fs'
import {
  cp,
  lstat,
  mkdir,
  readFile,
  readdir,
  writeFile,
} from 'node:fs/promises'
import { request } from 'node:http'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import {
  eventually,
  inContainer,
  isRunning,
  podfs,
  startPodfs,
  type RunningPodfs,
  runtimeDirectory,
  stateDirectory,
} from '../helpers/podfs.ts'
import '../helpers/needs-mounts.ts'
import { end, secret, world } from '../helpers/served-world.ts'

/*
 * Values of Secrets are looked for wherever podfs writes, prints or passes something on, while
 * it runs at the highest log level. Where a container asks for them they must be, so that it
 * is known that they were there to be found.
 */

/** Where a Secret might come to a disk, or to what is one for others. */
const diskPlaces = [
  '/run',
  '/tmp',
  '/dev/shm',
  stateDirectory,
  '/var/tmp',
  process.cwd(),
]

const fixtures = path.resolve('test/fixtures/sops')
const keysText = readFileSync(`${fixtures}/keys.txt`, 'utf8')
const ageKey = /AGE-SECRET-KEY-1\S+/.exec(keysText)?.[0] ?? ''

const canaries = [
  'plain-data-canary-8461',
  'plain-string-canary-7305',
  'sops-data-canary-1743',
  'sops-string-canary-2951',
  'age-file-canary-6038',
  'broken-canary-4420',
  'changed-canary-5127',
  'changed-again-canary-9384',
  ageKey,
]

/** As they are, and as base64 would have them within a longer text. */
function formsOf(secret: string): string[] {
  return [
    secret,
    ...[0, 1, 2].map(shift => {
      const encoded = Buffer.from('x'.repeat(shift) + secret).toString('base64')
      // The first and the last group depend on what is around.
      return encoded.slice(4, -4)
    }),
  ]
}

/** Which of them is in there; a mere number, since a failed test prints it. */
function found(content: string | Buffer, secrets: readonly string[]): number[] {
  return secrets.flatMap((secret, i) =>
    formsOf(secret).some(form => content.includes(form)) ? [i] : [],
  )
}

t.strictSame(
  found(
    Buffer.from('{"k": "plain-data-canary-8461"}').toString('base64'),
    canaries,
  ),
  [0],
  'the search sees through base64',
)

const good = `apiVersion: v1
kind: Secret
metadata: {name: plain}
data: {password: ${Buffer.from(canaries[0] ?? '').toString('base64')}}
stringData: {user: ${canaries[1]}}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  volumes:
  - name: all
    projected:
      sources:
      - secret: {name: plain}
      - secret: {name: encrypted}
      - serviceAccountToken: {path: token}
  containers:
  - name: main
    image: busybox
    command: [sleep, infinity]
    env:
    - name: FROM_PLAIN
      valueFrom: {secretKeyRef: {name: plain, key: password}}
    - name: FROM_SOPS
      valueFrom: {secretKeyRef: {name: encrypted, key: user}}
    envFrom:
    - secretRef: {name: plain}
    volumeMounts:
    - {name: all, mountPath: /secrets}
    lifecycle:
      postStart: {exec: {command: [sh, -c, 'test "$FROM_PLAIN" = "$(cat /secrets/password)"; echo hook']}}
  - name: missing
    image: busybox
    command: [sleep, infinity]
    env:
    - name: KEY
      valueFrom: {secretKeyRef: {name: plain, key: nothing-of-the-kind}}
`

const broken = canaries[5] ?? ''
/** Mistakes with a value beside them that a message may want to quote. */
const mistakes: Readonly<Record<string, string>> = {
  'not base64': `data: {k: "${broken}!"}`,
  'not base64, in lines': `data:\n  k: |\n    ${broken}\n    %%`,
  'a number': `data: {k: 4420}\nstringData: {${broken.length}: ${broken}, n: 12}`,
  'a list': `stringData: {k: [${broken}]}`,
  'a mapping': `stringData: {k: {${broken}: 1}}`,
  'an unknown field': `datas: {k: ${broken}}`,
  'a second time': `stringData: {k: ${broken}, k: ${broken}}`,
  'a wrong type': `type: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: '{"auths": "${broken}"'}`,
  'a wrong key': `stringData: {"a/b": ${broken}}`,
  'not YAML': `stringData: {k: "${broken}`,
  'not YAML, without indentation': `stringData:\n  k: |\n    a\n${broken}\n`,
  'an unknown anchor': `stringData: {k: *${broken}}`,
  'a tag of a number': `stringData: {k: !!int ${broken}, l: 1}`,
  'a wrong number': `stringData: {k: .inf, l: ${broken}}`,
  'a template': `stringData: {k: {{ ${broken} }}}`,
}

/** All processes below one, and those of its sessions' directories: keepers and servers. */
function processesOf(pid: number): number[] {
  const all = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
  const parents = new Map(all.map(each => [each, parentOf(each)]))
  const isBelow = (each: number | undefined): boolean =>
    each !== undefined && (each === pid || isBelow(parents.get(each)))
  return all.filter(
    each =>
      isBelow(each) ||
      [`-${pid}/`, `-${pid}\0`].some(end =>
        read(each, 'cmdline').includes(end),
      ),
  )
}

function parentOf(pid: number): number | undefined {
  const stat = read(pid, 'stat').toString()
  return (
    Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) || undefined
  )
}

function read(pid: number, file: string): Buffer {
  try {
    return readFileSync(`/proc/${pid}/${file}`)
  } catch {
    return Buffer.alloc(0) // it has just ended
  }
}

/** Its own: node and sh, but not what stands above a container and carries its environment. */
function ownProcesses(pid: number): number[] {
  const nodes = new Set<string>()
  return processesOf(pid).filter(each => {
    const line = read(each, 'cmdline').toString()
    if (/^[^\0]*sh\0[^\0]*keeper\.sh\0/.test(line)) return true
    // With the words of one that there is already, it has not come to execute another program yet.
    if (!/^[^\0]*node\0/.test(line) || nodes.has(line)) return false
    nodes.add(line)
    return true
  })
}

/** Whatever listens on a port of these processes. */
function listening(pids: readonly number[]): string[] {
  const sockets = ['tcp', 'tcp6'].flatMap(name =>
    readFileSync(`/proc/self/net/${name}`, 'utf8')
      .split('\n')
      .map(line => line.trim().split(/\s+/))
      .filter(fields => fields[3] === '0A')
      .map(fields => `socket:[${fields[9]}]`),
  )
  return pids.flatMap(pid =>
    readdirSync(`/proc/${pid}/fd`)
      .map(fd => linkOf(`/proc/${pid}/fd/${fd}`))
      .filter(target => sockets.includes(target))
      .map(target => `${pid}: ${target}`),
  )
}

/** Files that were written since, on this file system, which have one of the secrets. */
async function filesWith(
  directory: string,
  since: number,
  secrets: readonly string[],
  except: readonly string[] = [],
): Promise<string[]> {
  const top = await lstat(directory).catch(() => undefined)
  if (top === undefined) return []
  const bad: string[] = []
  const walk = async (place: string): Promise<void> => {
    for (const name of await readdir(place).catch(() => [])) {
      const file = path.join(place, name)
      if (except.includes(file) || name === 'node_modules' || name === '.git')
        continue
      // Of tests of sources that run meanwhile, with these keys.
      if (name.startsWith('podfs-src-')) continue
      const look = await lstat(file).catch(() => undefined)
      if (look === undefined || look.dev !== top.dev) continue
      if (look.isDirectory()) await walk(file)
      else if (look.isFile() && look.ctimeMs >= since && look.size < 1 << 28) {
        const content = await readFile(file).catch(() => '')
        if (found(content, secrets).length > 0) bad.push(file)
      }
    }
  }
  await walk(directory)
  return bad
}

function brokenSecret(body: string): string {
  return `apiVersion: v1\nkind: Secret\nmetadata: {name: broken}\n${body}\n`
}

/** No answer but that to who asks for Secrets has one. */
async function checkAnswers(
  t: Test,
  socket: string,
  secrets: readonly string[],
): Promise<void> {
  for (const url of [
    '/api/v1/events',
    '/metrics',
    '/readyz?verbose',
    '/api/v1/pods',
    '/api/v1/namespaces/default/pods/web',
    '/apis/podfs.io/v1/volumes',
    '/api/v1/nodes',
  ])
    t.strictSame(found(await get(socket, url), secrets), [], url)
}

function get(socketPath: string, url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: url }, answer => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => resolve(Buffer.concat(chunks).toString()))
    })
      .on('error', reject)
      .end()
  })
}

async function checkProcesses(
  t: Test,
  pid: number,
  secrets: readonly string[],
) {
  for (const each of readdirSync('/proc').filter(name => /^\d+$/.test(name)))
    t.strictSame(
      found(read(Number(each), 'cmdline'), secrets),
      [],
      `arguments of ${each}`,
    )
  const own = ownProcesses(pid)
  t.ok(own.length >= 4, 'daemon, keeper, server and standby are among them')
  for (const each of own) {
    const line = read(each, 'cmdline').toString().replaceAll('\0', ' ').trim()
    // Who gives a key in a variable has given it to this process, and to no other.
    const expected =
      each === pid ? secrets.filter(secret => secret !== ageKey) : secrets
    t.strictSame(
      found(read(each, 'environ'), expected),
      [],
      `environment of ${line}`,
    )
    t.match(
      read(each, 'limits').toString(),
      /^Max core file size +0 /m,
      `no core of ${line}`,
    )
    t.equal(
      Number.parseInt(read(each, 'coredump_filter').toString(), 16),
      0,
      `nothing in a core of ${line}`,
    )
  }
  const journals = own.flatMap(each =>
    ['4', '5']
      .map(fd => `/proc/${each}/fd/${fd}`)
      .filter(file => /\/\.podfs-/.test(linkOf(file))),
  )
  t.ok(journals.length >= 2, 'the journals are there')
  for (const file of journals) {
    t.match(linkOf(file), / \(deleted\)$/, 'a journal has no name')
    t.equal(statfsSync(file).type, 0x01021994, 'and is on tmpfs')
  }
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file)
  } catch {
    return '' // it has just been closed
  }
}

/** Node would open an inspector. */
async function checkInspector(
  t: Test,
  podfs: RunningPodfs,
  stillServes: () => unknown,
) {
  const nodes = ownProcesses(podfs.pid).filter(
    pid => !read(pid, 'cmdline').includes('keeper.sh\0'),
  )
  for (const pid of nodes) process.kill(pid, 'SIGUSR1')
  // In a process without a listener it is there within 20 ms.
  await new Promise(resolve => setTimeout(resolve, 500))
  t.strictSame(listening(nodes), [], 'nobody listens')
  t.ok(nodes.every(isRunning), 'and nobody has died of it')
  t.ok(await stillServes(), 'and the volumes are served')
}

t.test('podfs run', { timeout: 120_000 }, async t => {
  const since = Date.now()
  const directory = t.testdir({ 'good.yaml': good, mistakes: {} })
  await cp(`${fixtures}/canary.yaml`, path.join(directory, 'canary.yaml'))
  const run = startPodfs(t, ['run', '-f', directory, '--log-level', 'trace'], {
    env: { SOPS_AGE_KEY: ageKey },
    wrapper: ['prlimit', '--core=unlimited:unlimited'],
  })
  await run.saw(/nothing-of-the-kind/, 'stderr')
  const container = await eventually(() =>
    processesOf(run.pid).find(
      pid => read(pid, 'cmdline').toString() === 'sleep\0infinity\0',
    ),
  )
  const secretOf = (name: string): string =>
    inContainer(container, ['cat', `/secrets/${name}`])
  t.equal(secretOf('password'), canaries[2], 'the later source wins')
  t.equal(secretOf('user'), canaries[3])
  t.ok(
    read(container, 'environ').includes(canaries[0] as string),
    'its environment has it',
  )
  t.notOk(read(container, 'environ').includes(ageKey), 'but not the age key')
  const token = secretOf('token').split('.')[2] ?? ''
  t.ok(token.length > 40)
  const secrets = [...canaries, token]

  for (const [name, body] of Object.entries(mistakes)) {
    const file = path.join(
      directory,
      'mistakes',
      `${name.replaceAll(/\W+/g, '-')}.yaml`,
    )
    await writeFile(file, brokenSecret(body))
    t.comment(name)
    await run.saw(new RegExp(`(error|warning): ${file}:\\d`), 'stderr')
  }
  await checkProcesses(t, run.pid, secrets)

  const socket = `${runtimeDirectory}/run-${run.pid}/api.sock`
  await checkAnswers(t, socket, secrets)
  t.ok(
    found(await get(socket, '/api/v1/secrets'), secrets).length > 3,
    'whoever asks for Secrets gets them',
  )
  for (const args of [
    ['describe', 'pod', 'web'],
    ['describe', 'secret', 'plain', 'encrypted'],
    ['get', 'pods,secrets,volumes,events', '-o', 'wide'],
    ['get', 'events', '-o', 'yaml'],
    ['logs', 'web', '-c', 'main'],
    ['validate', '-f', directory, '-o', 'wide'],
    ['validate', '-f', directory, '-o', 'json'],
    ['config', 'view'],
  ]) {
    const looks = /get|describe|logs/.test(args[0] ?? '')
    const { code, stdout, stderr } = await podfs(
      t,
      [...args, ...(looks ? ['--session', String(run.pid)] : [])],
      {
        env: { SOPS_AGE_KEY: ageKey },
      },
    )
    t.ok(code === 0 || args[0] === 'validate', args.join(' '))
    t.ok(stdout.length > 0 || args[0] === 'logs')
    t.strictSame(
      found(stdout + stderr, secrets),
      [],
      `output of ${args.join(' ')}`,
    )
  }
  await checkInspector(t, run, () => secretOf('password'))
  for (const place of diskPlaces)
    t.strictSame(
      await filesWith(place, since, secrets, [directory, path.resolve('test')]),
      [],
      `files below ${place}`,
    )

  run.child.kill('SIGTERM')
  const { stdout, stderr } = await run.ended
  t.match(stderr, / INFO published /, 'there is a log')
  t.strictSame(found(stdout + stderr, secrets), [], 'output and log')
})

t.test('podfs mount', { timeout: 120_000 }, async t => {
  const since = Date.now()
  const directory = t.testdir({ source: {} })
  const source = path.join(directory, 'source')
  const target = path.join(directory, 'target')
  await cp(`${fixtures}/canary.age`, path.join(source, 'password.age'))
  const mount = startPodfs(
    t,
    ['mount', source, target, '--log-level', 'trace'],
    {
      env: { SOPS_AGE_KEY: ageKey },
      wrapper: ['prlimit', '--core=unlimited:unlimited'],
    },
  )
  await mount.saw(/ready/)
  const password = () => readFile(path.join(target, 'password'), 'utf8')
  t.equal(await password(), canaries[4])
  await writeFile(path.join(source, 'password.age'), 'broken')
  await mount.saw(/error: .*password.age/, 'stderr')
  await eventually(() => ownProcesses(mount.pid).length >= 4)
  await checkProcesses(t, mount.pid, canaries)
  await checkInspector(t, mount, password)
  for (const place of [
    '/run',
    '/tmp',
    '/dev/shm',
    stateDirectory,
    process.cwd(),
  ])
    t.strictSame(
      await filesWith(place, since, canaries, [
        directory,
        path.resolve('test'),
      ]),
      [],
      `files below ${place}`,
    )
  mount.child.kill('SIGTERM')
  const { stdout, stderr } = await mount.ended
  t.strictSame(found(stdout + stderr, canaries), [], 'output and log')
})

/** Of `podfs serve`: one Pod that runs, and two that cannot have what they ask for. */
const served = good
  .slice(good.indexOf('---'), good.indexOf('  - name: missing'))

  .replace('{name: web}', '{name: web, annotations: {podfs.io/run: "true"}}')
  .replace(
    '  volumes:\n',
    '  volumes:\n  - {name: plain, secret: {secretName: plain}}\n',
  )
  .replace(
    '    - {name: all, mountPath: /secrets}\n',
    '    - {name: all, mountPath: /secrets}\n    - {name: plain, mountPath: /plain}\n',
  )

function failing(name: string, volume: string): string {
  return `apiVersion: v1
kind: Pod
metadata: {name: ${name}, annotations: {podfs.io/run: "true"}}
spec:
  terminationGracePeriodSeconds: 0
  volumes:
  - {name: missing, secret: {${volume}}}
  containers:
  - name: main
    image: busybox
    command: [sleep, infinity]
    envFrom: [{secretRef: {name: plain}}]
    volumeMounts: [{name: missing, mountPath: /secrets}]
`
}

t.test('podfs serve', { timeout: 180_000, skip: cannotStart() }, async t => {
  const since = Date.now()
  const { dir, root, configure, write, text, start } = world(t, {
    'plain.yaml': plainSecret(canaries[0] ?? ''),
    'web.yaml': served,
    'absent.yaml': failing('absent', 'secretName: nowhere'),
    'no-key.yaml': failing(
      'no-key',
      'secretName: plain, items: [{key: no-such-key, path: a}]',
    ),
  })
  configure('logLevel: trace')
  const manifests = path.join(dir, 'manifests')
  await cp(`${fixtures}/canary.yaml`, path.join(manifests, 'canary.yaml'))
  await mkdir(path.join(manifests, 'mistakes'))
  const options = {
    env: { SOPS_AGE_KEY: ageKey },
    wrapper: ['prlimit', '--core=unlimited:unlimited'],
  }
  const session = ['--session', root]
  const serving = await start(options)
  t.teardown(() => podfs(t, ['unmount', '--lazy', root]))
  const container = await eventually(() =>
    processesOf(serving.pid).find(
      pid => read(pid, 'cmdline').toString() === 'sleep\0infinity\0',
    ),
  )
  t.ok(
    read(container, 'environ').includes(canaries[0] as string),
    'its environment has it',
  )
  t.notOk(read(container, 'environ').includes(ageKey), 'but not the age key')
  const volumeFile = (file: string): string =>
    inContainer(container, ['cat', `/${file}`])
  const token = volumeFile('secrets/token').split('.')[2] ?? ''
  t.ok(token.length > 40)
  const secrets = [...canaries, token]
  t.equal(volumeFile('secrets/password'), canaries[2])

  for (const value of [canaries[6] ?? '', canaries[7] ?? '']) {
    write('plain.yaml', plainSecret(value))
    await eventually(
      () =>
        volumeFile('plain/password') === value &&
        text('default/pods/web/plain/password') === value &&
        text('default/secrets/plain/password') === value,
    )
  }
  for (const [name, body] of Object.entries(mistakes)) {
    const file = `mistakes/${name.replaceAll(/\W+/g, '-')}.yaml`
    write(file, brokenSecret(body))
    t.comment(name)
    await serving.saw(new RegExp(`(error|warning): .*${file}:\\d`), 'stderr')
  }

  const looks = async (pid: number) => {
    await checkProcesses(t, pid, secrets)
    const socket = `${runtimeDirectory}/serve-${pid}/api.sock`
    await checkAnswers(t, socket, secrets)
    t.ok(
      found(await get(socket, '/api/v1/secrets'), secrets).length > 2,
      'whoever asks for Secrets gets them',
    )
    for (const args of [
      ['describe', 'pod', 'web', 'absent', 'no-key'],
      ['describe', 'secret', 'plain', 'encrypted'],
      ['get', 'pods,secrets,volumes,events', '-o', 'wide'],
      ['get', 'pods,events,volumes', '-o', 'yaml'],
      ['logs', 'web', '-c', 'main'],
      ['history', 'web/plain'],
      ['history', 'default/secret:plain', '-o', 'json'],
      ['diff', 'web/plain'],
      ['diff', 'web/plain', '1'],
      ['diff', 'default/secret:plain'],
      ['top', 'pods'],
    ]) {
      const { code, stdout, stderr } = await podfs(t, [...args, ...session])
      t.equal(code, 0, `${args.join(' ')}: ${code} ${stdout.length}`)
      t.strictSame(
        found(stdout + stderr, secrets),
        [],
        `output of ${args.join(' ')}`,
      )
    }
  }
  const disk = async (when: string) => {
    for (const place of diskPlaces)
      t.strictSame(
        await filesWith(place, since, secrets, [
          manifests,
          path.resolve('test'),
        ]),
        [],
        `files below ${place} ${when}`,
      )
  }
  t.match(await podfs(t, ['diff', 'web/plain', ...session]), {
    stdout: /^-hmac-sha256:\w+\n\+hmac-sha256:\w+$/m,
  })
  await eventually(async () => {
    const { stdout } = await podfs(t, ['get', 'events', ...session])
    return (
      /pod\/absent .*nowhere/.test(stdout) &&
      /pod\/no-key .*no-such-key/.test(stdout)
    )
  })
  await looks(serving.pid)
  const lines = ownProcesses(serving.pid).map(each =>
    read(each, 'cmdline').toString(),
  )
  for (const program of ['keeper.sh\0', 'fuse-server.cjs\0', 'pod-shim.cjs\0'])
    t.ok(
      lines.some(line => line.includes(program)),
      `${program.slice(0, -1)} is among them`,
    )
  await checkInspector(t, serving, () => volumeFile('plain/password'))
  await disk('while it runs')

  t.comment('without a podfs, and with the next one')
  serving.child.kill('SIGKILL')
  const first = await serving.ended
  await disk('of what was killed')
  await checkProcesses(t, serving.pid, secrets)
  const next = await start(options)
  t.equal(volumeFile('plain/password'), canaries[7], 'the Pod runs on')
  await disk('of the next podfs')
  await end(t, next)
  await disk('when all is over')
  const second = await next.ended
  t.match(first.stderr, / INFO published /, 'there is a log')
  for (const { stdout, stderr } of [first, second])
    t.strictSame(found(stdout + stderr, secrets), [], 'output and log')
})

/** With a second value that stays. */
function plainSecret(password: string): string {
  return secret('plain', `{password: ${password}, user: ${canaries[1]}}`)
}

t.test('what would open the memory to others is refused', async t => {
  const directory = t.testdir({ source: {} })
  const target = path.join(directory, 'target')
  const args = ['mount', path.join(directory, 'source'), target]
  for (const [variable, value, word] of [
    ['NODE_OPTIONS', '--inspect=127.0.0.1:0', '--inspect=127.0.0.1:0'],
    [
      'NODE_OPTIONS',
      '--heapsnapshot-signal=SIGUSR2',
      '--heapsnapshot-signal=SIGUSR2',
    ],
    ['NODE_OPTIONS', '--report-on-signal', '--report-on-signal'],
    ['NODE_DEBUG', 'fs,child_process', 'child_process'],
  ] as const) {
    const { code, stderr } = await podfs(t, args, {
      // tap puts options of its own into NODE_OPTIONS, and takes them out again.
      wrapper: ['env', 'NODE_OPTIONS=', `${variable}=${value}`],
    })
    t.equal(code, 2)
    t.match(
      stderr,
      `error: node's ${word} would show Secrets to others\n  env -u ${variable} podfs ...\n`,
    )
  }
})
