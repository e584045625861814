import { readdirSync } from 'node:fs'
import {
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises'
import path from 'node:path'
import t, { type Test } from 'tap'
import { eventually, podfs, startPodfs } from '../helpers/podfs.ts'
import '../helpers/needs-mounts.ts'
import { formatEvents, Inotify } from '../helpers/inotify.ts'

/*
 * `podfs history`, `diff`, `rollback`, `unpin` and `top` on what really runs.
 */

interface Data {
  readonly colour: string
  readonly password: string
}

/** A Pod, its ConfigMap and its Secret; `set` changes the data of the two at once. */
async function makeSource(t: Test) {
  const directory = await mkdtemp('/tmp/podfs-look-')
  t.teardown(() => rm(directory, { recursive: true }))
  const file = path.join(directory, 'source.yaml')
  const set = async ({ colour, password }: Data): Promise<void> => {
    const text = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: past, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  containers:
  - name: main
    image: busybox
    command: [sh, -c, 'while :; do cat /all/colour; sleep 0.05; done']
    volumeMounts: [{name: all, mountPath: /all}]
  - name: busy
    image: busybox
    command: [sh, -c, 'until [ -e ${directory}/spin ]; do sleep 0.1; done; echo spins; while [ -e ${directory}/spin ]; do :; done; exec sleep 1000']
  volumes:
  - name: all
    projected:
      sources: [{secret: {name: db}}, {configMap: {name: app}}, {serviceAccountToken: {path: token}}]
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: app, namespace: past}, data: {colour: "${colour}\\n"}}
---
{apiVersion: v1, kind: Secret, metadata: {name: db, namespace: past}, stringData: {password: ${password}}}
`
    await writeFile(`${file}.new`, text)
    // In one step, so that there is one change.
    await rename(`${file}.new`, file)
  }
  return { directory, file, set }
}

t.test('of a Pod that runs', { timeout: 200_000 }, async t => {
  const { directory, file, set } = await makeSource(t)
  await set({ colour: 'blue', password: 'canary-one' })
  const run = startPodfs(t, ['run', '-f', file, '-n', 'past'])
  await run.saw(/^main +\| blue$/m)
  const said: string[] = []
  const look = async (...args: string[]) => {
    const ended = await podfs(t, [...args, '--session', String(run.pid)])
    said.push(ended.stdout, ended.stderr)
    return ended
  }
  t.match(await look('diff', 'past/web/all'), {
    code: 0,
    stdout: '',
    stderr: 'There is one generation only: nothing to compare it with.\n',
  })
  await set({ colour: 'red', password: 'canary-two' })
  await run.saw(/^main +\| red$/m)

  for (const word of ['past/web/all', 'web/all', 'web.all'])
    t.match(
      (await look('history', word, '-n', 'past')).stdout,
      /^GENERATION +AGE +STATUS +SOURCE +CHANGES\n1 +\d+s +superseded +configmap\/app,secret\/db,serviceaccount\/default +\+colour \+password \+token\n2 +\d+s +current +configmap\/app,secret\/db +~colour ~password\n$/,
      word,
    )
  t.match(await look('diff', 'past/web/all'), {
    code: 0,
    stdout:
      /^diff --git a\/colour b\/colour\n--- a\/colour\tgeneration 1\n\+\+\+ b\/colour\tgeneration 2\n@@ -1 \+1 @@\n-blue\n\+red\ndiff --git a\/password b\/password\n.*\n.*\n.*\n-hmac-sha256:[0-9a-f]{12}\n\+hmac-sha256:[0-9a-f]{12}\n$/,
    stderr: '',
  })

  t.match(await look('rollback', 'past/web/all', '1'), {
    code: 0,
    stdout: 'volume.podfs.io/web.all rolled back to generation 1\n',
  })
  await run.saw(/\| red\n[^]*\| blue$/m)
  t.match(
    (await look('get', 'volumes', '-n', 'past')).stdout,
    /^POD +VOLUME +TYPE +KEYS +GENERATION +PINNED +AGE +MOUNTPOINT +ERROR\nweb +all +projected +3 +3 +1 +\d+s +main:\/all +<none>\n$/,
  )
  t.match((await look('diff', 'past/web/all', '1')).stdout, '')
  t.match(await look('unpin', 'past/web/all'), {
    code: 0,
    stdout: 'volume.podfs.io/web.all unpinned\n',
  })
  await run.saw(/\| blue\n[^]*\| red\n[^]*\| blue\n[^]*\| red$/m)
  await look('rollback', 'past/web/all', '1')
  await set({ colour: 'green', password: 'canary-two' })
  await run.saw(/^main +\| green$/m)
  t.match(
    (await look('history', 'past/web/all')).stdout,
    /^5 +\d+s +superseded +rollback to 1 .*\n6 +\d+s +current +configmap\/app/m,
    'the change of the source ended the pin',
  )
  t.match(
    (await look('get', 'events', '-n', 'past')).stdout,
    /Normal +VolumeRolledBack +pod\/web +Volume "all" shows generation 1 again, as generation 3, until its sources change\n[^]*Normal +VolumeUnpinned +pod\/web +Volume "all" follows its sources again\n/,
  )

  await t.test('what is wrong is one line', async t => {
    for (const [args, code, stderr] of [
      [
        ['rollback', 'past/web/all', '99'],
        1,
        /^Error from server \(NotFound\): generation 99 is not kept; there are 1, 2, 3, 4, 5, 6\n$/,
      ],
      [['diff', 'past/web/all', '99'], 1, /generation 99 is not kept/],
      [
        ['rollback', 'past/web/all', 'x'],
        2,
        /^error: not a generation: x\n {2}a number/,
      ],
      [['rollback', 'past/web/all'], 2, /^error: podfs rollback needs VOLUME/],
      [['history'], 2, /^error: podfs history needs VOLUME\n/],
      [['unpin', 'past/web/all', '1'], 2, /^error: podfs unpin needs VOLUME\n/],
      [
        ['history', 'past/web/al'],
        2,
        'error: no volume past/web/al\n  did you mean past/web/all?\n',
      ],
      [['history', '/nowhere'], 2, 'error: no volume /nowhere\n'],
      [
        ['history', 'past/web/all', '-o', 'name'],
        2,
        /^error: -o name: the format must be json/,
      ],
    ] as const)
      t.match(await look(...args), { code, stdout: '', stderr }, args.join(' '))
  })

  await t.test('JSON', async t => {
    const { stdout } = await look('history', 'past/web/all', '-o', 'json')
    t.match(JSON.parse(stdout), {
      kind: 'List',
      items: [
        { kind: 'VolumeGeneration', generation: 1, current: false },
        {},
        { rollbackTo: 1 },
        {},
        {},
        {
          volume: 'web.all',
          generation: 6,
          current: true,
          pinned: false,
          sources: [{ kind: 'ConfigMap', name: 'app' }],
          changes: { added: [], changed: ['colour'], removed: [] },
        },
      ],
    })
  })

  await t.test('top', async t => {
    await writeFile(path.join(directory, 'spin'), '')
    await run.saw(/^busy +\| spins$/m)
    const byPod = await look('top', 'pods', '-n', 'past')
    t.match(
      byPod.stdout,
      /^NAME {3}CPU\(cores\) {3}MEMORY\(bytes\)\nweb {4}[1-9]\d*m +\d+Mi\n$/,
    )
    const byContainer = await look('top', 'po', 'web', '-A', '--containers')
    const [, busy, main] =
      /^NAMESPACE +POD +NAME +CPU\(cores\) +MEMORY\(bytes\)\npast +web +busy +(\d+)m +\d+Mi\npast +web +main +(\d+)m +\d+Mi\n$/.exec(
        byContainer.stdout,
      ) ?? []
    t.ok(Number(busy) > Number(main), byContainer.stdout)
    await rm(path.join(directory, 'spin'))
    const own = await look('top', 'podfs')
    t.match(
      own.stdout,
      new RegExp(
        `^PODFS +PIDS +CPU\\(cores\\) +MEMORY\\(bytes\\) +SESSION\\ndaemon +${run.pid} +\\d+m +[1-9]\\d*Mi +run-${run.pid}\\nkeeper +[\\d,]+ +\\d+m +\\d+Mi +run-${run.pid}\\nfile-server +\\d+,\\d+ +\\d+m +[1-9]\\d*Mi +run-${run.pid}\\n$`,
      ),
    )
    const all = await look('top', '-n', 'past')
    t.match(all.stdout, /^NAME [^]*\nweb [^]*\n\nPODFS [^]*\ndaemon /)
    t.match(await look('top', 'pods', 'nope', '-n', 'past'), {
      code: 1,
      stderr: /^error: no Pod nope runs\n/,
    })
    t.match(await look('top', 'pods', '-n', 'empty'), {
      code: 0,
      stdout: '',
      stderr: 'No resources found in empty namespace.\n',
    })
    t.match(await look('top', 'nodes'), {
      code: 0,
      stdout: /^NAME +CPU\(cores\) +CPU\(%\) +MEMORY\(bytes\) +MEMORY\(%\) *\n/,
    })
  })

  await look('get', 'events', '-n', 'past', '-o', 'json')
  await look('get', 'volumes', '-n', 'past', '-o', 'yaml')
  await look('history', 'past/web/all', '-o', 'yaml')
  await look('diff', 'past/web/all', '2')
  t.notMatch(
    said.join('\n') + run.stderr(),
    /canary|Y2FuYXJ5|eyJhbGci/,
    'no value of a Secret, and no token',
  )
  run.child.kill('SIGTERM')
  await run.ended
})

t.test('of a mount, by its path', { timeout: 110_000 }, async t => {
  const { directory } = await makeSource(t)
  const source = path.join(directory, 'conf')
  const mountpoint = path.join(directory, 'mnt')
  await mkdir(source)
  const set = async (text: string): Promise<void> => {
    const file = path.join(directory, 'colour.new')
    await writeFile(file, text)
    await rename(file, path.join(source, 'colour'))
  }
  const read = () => readFile(path.join(mountpoint, 'colour'), 'utf8')
  await set('blue\n')
  const mount = startPodfs(t, ['mount', source, mountpoint])
  await mount.saw(/ready/)
  await set('red\n')
  await eventually(async () => (await read()) === 'red\n')
  t.match((await podfs(t, ['diff', mountpoint])).stdout, /^-blue\n\+red\n/m)

  const watcher = new Inotify()
  t.teardown(() => watcher.close())
  watcher.watch(mountpoint)
  const before = await readlink(path.join(mountpoint, '..data'))
  const rolledBack = await podfs(t, ['rollback', './mnt', '1'], {
    cwd: directory,
  })
  t.match(rolledBack, {
    code: 0,
    stdout: 'volume.podfs.io/volume rolled back to generation 1\n',
  })
  t.equal(await read(), 'blue\n')
  const after = await readlink(path.join(mountpoint, '..data'))
  t.not(after, before)
  t.same(readdirSync(mountpoint).sort(), [after, '..data', 'colour'].sort())
  t.strictSame(
    formatEvents(watcher.drain(), [path.basename(before)]),
    [
      'CREATE,ISDIR ..ts2',
      'ATTRIB,ISDIR ..ts2',
      'CREATE ..data_tmp',
      'MOVED_FROM ..data_tmp',
      'MOVED_TO ..data',
      'DELETE,ISDIR ..ts1',
    ],
    'the events of any other change',
  )

  await set('green\n')
  await eventually(async () => (await read()) === 'green\n')
  mount.child.kill('SIGINT')
  t.equal((await mount.ended).code, 0)
})
