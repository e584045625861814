import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { capability } from '../helpers/capability.ts'
import { kubectl, tcpTo, withoutAges } from '../helpers/kubectl.ts'
import {
  eventually,
  podfs,
  startPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import '../helpers/needs-mounts.ts'

/*
 * `podfs get`, `describe` and `logs` on what really runs; and kubectl itself against the same
 * socket, as the judge of both.
 */

const manifest = 'test/fixtures/look/everything.yaml'

t.test('a Pod that runs', { timeout: 110_000 }, async t => {
  const run = startPodfs(t, ['run', '-f', manifest, '-n', 'shop'])
  await run.saw(/^main +\| hello$/m)
  await run.saw(/^crash +\| dying[^]*^crash +\| dying/m)
  const look = (...args: string[]) =>
    podfs(t, [...args, '-n', 'shop', '--session', String(run.pid)])

  const pods = await look('get', 'pods')
  t.match(
    pods.stdout,
    /^NAME {3}READY {3}STATUS {5,}RESTARTS {5,}AGE\nbig {4}1\/2 {5}\w+ +\d+ \(\d+s ago\) {3}\d+s\n$/,
  )
  const volumes = await look('get', 'volumes')
  t.match(
    volumes.stdout,
    /^big +config +configMap +5 +1 +<none> +\d+s +main:\/etc\/conf +<none>$/m,
  )
  t.match(await look('get', 'pod', 'nope'), {
    code: 1,
    stdout: '',
    stderr: 'Error from server (NotFound): pods "nope" not found\n',
  })
  t.match(await look('get', 'pods', '-l', 'app=x'), {
    code: 0,
    stdout: '',
    stderr: 'No resources found in shop namespace.\n',
  })
  t.match(await look('get', 'pdos'), {
    code: 2,
    stderr: 'error: podfs has no resource type "pdos"\n  did you mean pods?\n',
  })
  t.match(await look('logs', 'big', '-c', 'crash', '-p', '--prefix'), {
    code: 0,
    stdout: '[pod/big/crash] dying\n',
  })
  t.match(await look('logs', 'big', '--tail', '1'), {
    stdout: 'hello\n',
    stderr: 'Defaulted container "main" out of: main, crash, init (init)\n',
  })
  const everything = [
    await look('get', 'events', '-o', 'yaml'),
    await look('describe', 'secret', 'db'),
    await look('describe', 'pod', 'big'),
    await look('get', 'secrets', '-o', 'wide'),
  ]
  for (const { code, stdout, stderr } of everything) {
    t.equal(code, 0)
    t.notMatch(stdout + stderr, /canary|Y2FuYXJ5/)
  }

  t.test(
    'says what kubectl says of it',
    { skip: capability('kubectl') },
    async t => {
      const socket = `${runtimeDirectory}/run-${run.pid}/api.sock`
      const server = await tcpTo(t, socket)
      for (const args of [
        ['get', 'cm,secrets', '-A', '--show-labels'],
        ['get', 'secret', 'db', '-o', 'yaml'],
        ['get', 'secret/db', 'cm/app', '--no-headers'],
        ['get', 'secret', 'db', '-o', 'json'],
        ['get', 'nodes', '-o', 'wide'],
        ['get', 'volumes'],
        ['get', 'pod', 'nope'],
        ['get', 'pods', '--field-selector', 'status.phase=Failed'],
        ['describe', 'secret', 'db'],
        ['describe', 'cm', 'one'],
        ['describe', 'sa'],
        ['describe', 'ns', 'default'],
        ['describe', 'nodes'],
        ['describe', 'volume.podfs.io', 'big.config'],
        ['logs', 'big', '-c', 'main'],
        ['logs', 'big', '-c', 'init', '--limit-bytes', '4'],
        ['get', 'secrets', '-o', 'jsonpath={.items[*].metadata.name}'],
      ]) {
        const [theirs, ours] = await Promise.all([
          kubectl(server, [...args, '-n', 'shop']),
          look(...args),
        ])
        t.strictSame(
          {
            code: ours.code,
            stdout: withoutAges(ours.stdout),
            stderr: ours.stderr,
          },
          {
            code: theirs.code,
            // podfs has no leases.
            stdout: withoutAges(theirs.stdout).replace(/^Lease: .*\n/m, ''),
            stderr: theirs.stderr,
          },
          args.join(' '),
        )
      }
      t.match(await kubectl(server, ['top', 'pods', '-n', 'shop']), {
        code: 0,
        stdout: /^NAME +CPU\(cores\) +MEMORY\(bytes\) *\nbig +\d+m +\d+Mi *\n$/,
      })
    },
  )
})

t.test('a mount, and what changes in it', { timeout: 110_000 }, async t => {
  const directory = await mkdtemp('/tmp/podfs-look-')
  t.teardown(() => rm(directory, { recursive: true }))
  const mountpoint = path.join(directory, 'mnt')
  const source = path.join(directory, 'source.yaml')
  const configMap = (colour: string) =>
    `{apiVersion: v1, kind: ConfigMap, metadata: {name: app}, data: {colour: ${colour}}}`
  await writeFile(source, configMap('blue'))
  const mount = startPodfs(t, [
    'mount',
    '-f',
    source,
    '--configmap',
    'app',
    mountpoint,
  ])
  await mount.saw(/ready/)
  const session = ['--session', mountpoint]
  const watch = startPodfs(t, [
    'get',
    'volumes',
    '-w',
    '--no-headers',
    ...session,
  ])
  const row = (generation: number) =>
    new RegExp(
      `^<none> +volume +configMap +1 +${generation} +<none> +\\d+s +${mountpoint} +<none>$`,
      'm',
    )
  await watch.saw(row(1))
  await writeFile(source, configMap('red'))
  await watch.saw(row(2))
  t.equal(await readFile(path.join(mountpoint, 'colour'), 'utf8'), 'red')
  t.match(
    await podfs(t, ['get', 'cm', 'app', '-o', 'jsonpath={.data}', ...session]),
    { stdout: '{"colour":"red"}' },
  )
  watch.child.kill('SIGINT')
  t.equal((await watch.ended).code, 130)

  const socket = `${runtimeDirectory}/mount-${mount.pid}/api.sock`
  t.ok(existsSync(socket))
  mount.child.kill('SIGINT')
  t.equal((await mount.ended).code, 0)
  await eventually(() => !existsSync(socket))
  t.match(await podfs(t, ['get', 'pods', ...session]), {
    stderr: /^error: no podfs /,
  })
})

t.test('several podfs: a column says which, a name must be of one', async t => {
  const directory = await mkdtemp('/tmp/podfs-look-')
  t.teardown(() => rm(directory, { recursive: true }))
  const source = path.join(directory, 'source.yaml')
  const namespace = path.basename(directory).toLowerCase()
  await writeFile(
    source,
    `{apiVersion: v1, kind: ConfigMap, metadata: {name: app, namespace: ${namespace}}, data: {a: b}}`,
  )
  const mounts = ['one', 'two'].map(name =>
    startPodfs(t, [
      'mount',
      '-f',
      source,
      '-n',
      namespace,
      '--configmap',
      'app',
      path.join(directory, name),
    ]),
  )
  for (const mount of mounts) await mount.saw(/ready/)
  const list = await podfs(t, ['get', 'cm', '-n', namespace])
  for (const { pid } of mounts)
    t.match(list.stdout, new RegExp(`^app +1 +\\d+s +mount-${pid}$`, 'm'))
  const one = await podfs(t, ['get', 'cm', 'app', '-n', namespace])
  t.equal(one.code, 2)
  t.match(one.stderr, /^error: configmaps "app" is in several podfs: mount-/)
  const described = await podfs(t, ['describe', 'cm', '-n', namespace])
  t.match(described, { code: 0, stderr: '' })
  t.equal(described.stdout.match(/^Name: +app$/gm)?.length, 2, 'each of them')
  t.match(await podfs(t, ['get', 'all', '-n', namespace]), {
    code: 0,
    stdout: /^<none> +volume +configMap +1 +1 /m,
  })
})
