/*
 * `podfs serve`, the built program: one mount for many objects, what may enter it, what a
 * reload does, what is run, and what is left when it is killed or ended (docs/cli.md).
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { cannotStart, isRoot, needsRoot } from '../helpers/capability.ts'
import { escapeMountPath } from '../../src/linux/mountinfo.ts'
import {
  formatEvents,
  Inotify,
  type InotifyEvent,
  swapEvents,
} from '../helpers/inotify.ts'
import {
  configMap,
  end,
  holdersOf,
  killAtOnce,
  pod,
  secret,
  textOf,
  world,
} from '../helpers/served-world.ts'
import { makePayload, checkVolumeContents } from '../helpers/volume-contents.ts'
import { askSocket } from '../helpers/ask-socket.ts'
import {
  eventually,
  isRunning,
  mountsOfOne,
  podfs,
  podfsMounts,
  runtimeDirectory,
} from '../helpers/podfs.ts'

t.setTimeout(240_000)
const skip = cannotStart()

t.test(
  'everything in one tree, as a kubelet lays it out',
  { skip },
  async t => {
    const { start, at, names, root, configure, dir } = world(t, {
      'all.yaml':
        configMap('settings', '{colour: blue, size: big}') +
        secret('db', '{password: hunter2}', 'shop') +
        pod(
          'web',
          `{name: cfg, configMap: {name: settings, defaultMode: 0400, items: [{key: colour, path: a/b}]}},
         {name: scratch, emptyDir: {}}`,
        ) +
        pod('bare', ''),
    })
    mkdirSync(path.join(dir, 'plain'))
    writeFileSync(path.join(dir, 'plain/app.conf'), 'on')
    configure(
      '',
      `  configMaps: [{directory: plain, name: app}]
  secrets: [{directory: plain, name: app, namespace: shop}]
`,
    )
    const serving = await start()
    t.match(serving.stdout(), `podfs: ${root} ready (5 volumes)\n`)
    t.strictSame(names(), ['default', 'shop'])
    t.strictSame(names('default'), ['configmaps', 'pods'])
    t.strictSame(names('default/configmaps'), ['app', 'settings'])
    t.strictSame(names('default/pods'), ['bare', 'web'])
    t.strictSame(names('default/pods/web'), ['cfg'])
    t.strictSame(names('shop'), ['secrets'])
    await checkVolumeContents(
      at('default/configmaps/settings'),
      makePayload({ colour: 'blue', size: 'big' }),
    )
    await checkVolumeContents(
      at('default/pods/web/cfg'),
      makePayload({ 'a/b': { data: 'blue', mode: 0o400 } }),
    )
    for (const namespace of ['default/configmaps', 'shop/secrets'])
      await checkVolumeContents(
        at(`${namespace}/app`),
        makePayload({ 'app.conf': 'on' }),
      )
    await checkVolumeContents(
      at('shop/secrets/db'),
      makePayload({ password: 'hunter2' }),
    )
    const mode = (relative: string): number =>
      statSync(at(relative)).mode & 0o7777
    t.equal(mode('default/configmaps/settings'), 0o777)
    t.equal(mode('shop/secrets/db'), 0o1777)
    t.equal(mode('default/pods/web/cfg'), 0o777)
    t.throws(() => writeFileSync(at('x'), ''), { code: 'EROFS' })
    await t.test('and podfs get tells of each volume', async t => {
      const { stdout } = await podfs(t, [
        'get',
        'volumes',
        '-A',
        '--session',
        root,
        '--no-headers',
      ])
      t.strictSame(
        stdout
          .trimEnd()
          .split('\n')
          .map(line => line.split(/ +/).slice(0, 6).join(' ')),
        [
          'default <none> configmap:app configMap 1 1',
          'default <none> configmap:settings configMap 2 1',
          'default web cfg configMap 1 1',
          'shop <none> secret:app secret 1 1',
          'shop <none> secret:db secret 1 1',
        ],
      )
      const described = await podfs(t, [
        'describe',
        'pod',
        'web',
        '--session',
        root,
      ])
      t.equal(described.code, 0, described.stderr)
    })
    await end(t, serving)
    t.strictSame(podfsMounts(), [])
    t.notOk(existsSync(root), 'it was made')
    t.notOk(existsSync(`${runtimeDirectory}/serve-${serving.pid}`))
  },
)

t.test('objects come and go, and nothing else changes', { skip }, async t => {
  const { start, write, remove, at, names, text } = world(t, {
    'stays.yaml':
      configMap('stays', '{key: value}') +
      pod('stays', '{name: v, configMap: {name: stays}}'),
  })
  const serving = await start()
  const inotify = new Inotify()
  t.teardown(() => inotify.close())
  for (const relative of ['pods/stays', 'pods/stays/v', 'configmaps/stays'])
    inotify.watch(at(`default/${relative}`))
  const inode = statSync(at('default/pods/stays/v')).ino

  write(
    'comes.yaml',
    configMap('comes', '{key: one}') +
      secret('comes', '{key: two}', 'new') +
      pod('comes', '{name: v, configMap: {name: comes}}'),
  )
  await eventually(() => text('default/pods/comes/v/key') === 'one')
  await eventually(() => text('default/configmaps/comes/key') === 'one')
  await eventually(() => text('new/secrets/comes/key') === 'two')
  write(
    'comes.yaml',
    configMap('comes', '{key: changed}') +
      pod('comes', '{name: v, configMap: {name: comes}}'),
  )
  await eventually(() => text('default/pods/comes/v/key') === 'changed')
  await eventually(() => !existsSync(at('new')))
  remove('comes.yaml')
  await eventually(() => !existsSync(at('default/pods/comes')))
  await eventually(() => !existsSync(at('default/configmaps/comes')))
  t.strictSame(names('default/pods'), ['stays'])
  t.strictSame(inotify.drain(), [], 'the other object is as it was')
  t.equal(statSync(at('default/pods/stays/v')).ino, inode)
  await t.test('the last object of a namespace', async t => {
    remove('stays.yaml')
    await eventually(() => !existsSync(at('default')))
    t.strictSame(names(), [])
  })
  t.notMatch(serving.stderr(), 'error:')
  await end(t, serving)
})

t.test('nothing to serve, and what waits, are told', { skip }, async t => {
  const { dir, root, configure, start, write, text } = world(t)
  writeFileSync(path.join(dir, 'podfs.yaml'), `root: ${root}\n`)
  const idle = await start()
  t.match(idle.stdout(), / ready \(0 volumes\)/)
  t.match(idle.stderr(), /^warning: nothing to serve: /m)
  await end(t, idle)
  configure('logLevel: info')
  write('pod.yaml', pod('waits', '{name: v, configMap: {name: later}}'))
  const serving = await start()
  t.match(serving.stdout(), / ready \(1 volume, 1 not published\)/)
  write('later.yaml', configMap('later', '{key: here}'))
  await eventually(() => text('default/pods/waits/v/key') === 'here')
  await serving.saw(
    / INFO published \{"namespace":"default","pod":"waits","volume":"v",/,
    'stderr',
  )
  await end(t, serving)
})

t.test('it serves on when nobody reads its stderr', { skip }, async t => {
  const { start, write, text } = world(t, {
    'settings.yaml': configMap('settings', '{colour: blue}'),
    'broken.yaml': configMap('broken', '{key: one}'),
  })
  const serving = await start()
  serving.child.stderr?.destroy()
  write('broken.yaml', configMap('broken', '[not a map]'))
  // The error comes when the file has been quiet for a quarter of a second.
  await new Promise(resolve => setTimeout(resolve, 1000))
  write('settings.yaml', configMap('settings', '{colour: green}'))
  await eventually(() => text('default/configmaps/settings/colour') === 'green')
  await end(t, serving)
})

t.test('one broken object, and the others go on', { skip }, async t => {
  const { start, write, text, root, at } = world(t, {
    'good.yaml': configMap('good', '{key: one}'),
    'broken.yaml': configMap('broken', '{key: one}'),
  })
  const serving = await start()
  write('broken.yaml', configMap('broken', '[not a map]'))
  await serving.saw(
    /error: .+broken\.yaml:\d+:\d+: ConfigMap default\/broken: data: /,
    'stderr',
  )
  write('good.yaml', configMap('good', '{key: two}'))
  await eventually(() => text('default/configmaps/good/key') === 'two')
  t.equal(text('default/configmaps/broken/key'), 'one', 'the last good state')
  write('pod.yaml', pod('waits', '{name: v, configMap: {name: missing}}'))
  await serving.saw(
    /error: .+pod\.yaml:\d+:\d+: Pod default\/waits: spec\.volumes\[0\]\.configMap\.name: .*"missing" not found\n/,
    'stderr',
  )
  t.ok(existsSync(at('default/pods/waits')))
  const socket = `${runtimeDirectory}/serve-${serving.pid}/api.sock`
  const mistakes = async (): Promise<string | undefined> =>
    /^podfs_source_mistakes (\d+)$/m.exec(
      await askSocket(socket, '/metrics'),
    )?.[1]
  t.equal(await mistakes(), '1')
  const { stdout } = await podfs(t, ['get', 'volumes', '--session', root])
  t.match(stdout, /waits +v +configMap +0 +0 .* configmap "missing" not found/)
  write('missing.yaml', configMap('missing', '{key: here}'))
  await eventually(() => text('default/pods/waits/v/key') === 'here')
  t.equal(serving.stderr().match(/error:/g)?.length, 2, serving.stderr())
  write('broken.yaml', configMap('broken', '{key: two}'))
  await eventually(async () => (await mistakes()) === '0')
  await end(t, serving)
})

t.test('a source that is not there is waited for', { skip }, async t => {
  const { dir, start, text, configure } = world(t, {
    'a.yaml': configMap('a', '{key: value}'),
  })
  renameSync(path.join(dir, 'manifests'), path.join(dir, 'away'))
  configure('', '  configMaps: [{directory: plain, name: plain}]\n')
  const serving = await start()
  t.match(serving.stderr(), /error: .*manifests:1:1: no such file or directory/)
  t.match(serving.stderr(), /error: .*plain:1:1: no such file or directory/)
  renameSync(path.join(dir, 'away'), path.join(dir, 'manifests'))
  await eventually(() => text('default/configmaps/a/key') === 'value')
  mkdirSync(path.join(dir, 'plain'))
  writeFileSync(path.join(dir, 'plain/key'), 'value')
  await eventually(() => text('default/configmaps/plain/key') === 'value')
  await end(t, serving)
})

/** What a process of that user and group reads there. */
function readAs(file: string, uid: number, gid: number): string {
  const { stdout, stderr } = spawnSync('cat', [file], {
    uid,
    gid,
    encoding: 'utf8',
  })
  return /Permission denied/.test(stderr) ? 'EACCES' : stdout
}

const skipUsers = skip || needsRoot('user')
t.test(
  'the kernel lets in whom the setting says',
  { skip: skipUsers },
  async t => {
    const { start, at, root, configure, dir } = world(t, {
      'a.yaml': secret('a', '{key: value}'),
    })
    const file = at('default/secrets/a/key')
    const serving = await start()
    t.equal(readAs(file, 0, 0), 'value')
    t.equal(readAs(file, 65534, 65534), 'EACCES', 'owner is the default')
    const reload = async (access: string): Promise<void> => {
      configure(`access: ${access}`)
      const { code, stderr } = await podfs(t, ['reload', '--session', root])
      t.equal(code, 0, stderr)
    }
    await reload('group:65534')
    t.equal(readAs(file, 65534, 65534), 'value')
    t.equal(readAs(file, 1, 1), 'EACCES')
    await reload('everybody')
    t.equal(readAs(file, 1, 1), 'value')
    await reload('owner')
    t.equal(readAs(file, 1, 1), 'EACCES')
    await t.test('a group that is not there changes nothing', async t => {
      configure('access: group:no-such-group')
      const { code, stderr } = await podfs(t, ['reload', '--session', root])
      t.equal(code, 2)
      const text = readFileSync(path.join(dir, 'podfs.yaml'), 'utf8')
      const lines = text.split('\n')
      const line = lines.findIndex(each => each.startsWith('access: ')) + 1
      const mistake = `:${line}:9: access: no group no-such-group on this machine\n`
      t.ok(stderr.endsWith(mistake), stderr)
      process.kill(serving.pid, 'SIGHUP')
      // At SIGHUP, too.
      await eventually(() => serving.stderr().split(mistake).length === 3)
      t.equal(readAs(file, 0, 0), 'value')
    })
    await end(t, serving)
  },
)

t.test('reload', { skip }, async t => {
  const { start, configure, root, dir, text, at } = world(t, {
    'a.yaml': configMap('a', '{key: value}'),
  })
  mkdirSync(path.join(dir, 'more'))
  writeFileSync(
    path.join(dir, 'more/b.yaml'),
    configMap('b', '{key: value}') +
      pod('p', '{name: v, configMap: {name: b}}'),
  )
  const serving = await start()
  const reload = () => podfs(t, ['reload', '--session', root])

  await t.test(
    'applies what it can, and names what needs a restart',
    async t => {
      configure('clusterDomain: other.local\nlogLevel: info')
      writeFileSync(
        path.join(dir, 'podfs.yaml'),
        `root: ${root}\nclusterDomain: other.local\nlogLevel: info\nsources: {manifests: [more]}\n`,
      )
      t.match(await reload(), {
        code: 0,
        stdout: 'podfs: applied: logLevel, sources.manifests\n',
        stderr: 'warning: changed, and needs a restart: clusterDomain\n',
      })
      await eventually(() => text('default/pods/p/v/key') === 'value')
      await eventually(() => !existsSync(at('default/configmaps/a')))
      await serving.saw(/ INFO /, 'stderr')
      t.match(
        serving.stderr(),
        'podfs: changed, and needs a restart: clusterDomain',
      )
    },
  )
  await t.test('a broken file changes nothing', async t => {
    writeFileSync(path.join(dir, 'podfs.yaml'), 'run: all\nsorces: {}\n')
    const mistake =
      /error: .*podfs\.yaml:2:1: sorces: no such setting; did you mean sources\?\n/
    t.match(await reload(), { code: 2, stdout: '', stderr: mistake })
    t.match(serving.stderr(), mistake)
    t.match(serving.stderr(), 'podfs: the configuration stays as it was')
    t.equal(text('default/pods/p/v/key'), 'value')
  })
  await t.test('SIGHUP does the same', async t => {
    configure()
    serving.child.kill('SIGHUP')
    await eventually(() => text('default/configmaps/a/key') === 'value')
    await eventually(() => !existsSync(at('default/pods')))
    t.equal(isRunning(serving.pid), true)
  })
  await t.test('without a podfs serve', async t => {
    t.match(await podfs(t, ['reload', '--session', '1']), { code: 2 })
  })
  await end(t, serving)
})

t.test('Pods with the annotation are run', { skip }, async t => {
  const command = 'cat /cfg/colour; echo; exec sleep 1000'
  const volume = '{name: cfg, configMap: {name: settings}}'
  const mounts = '{name: cfg, mountPath: /cfg}'
  const { start, write, remove, root, at, configure, text } = world(t, {
    'settings.yaml': configMap('settings', '{colour: blue}'),
    'web.yaml': pod('web', volume, { run: 'true', command, mounts }),
    'quiet.yaml': pod('quiet', volume),
    'fails.yaml': pod('fails', '', {
      run: 'true',
      command: 'exit 3',
      more: 'restartPolicy: Never',
    }),
    'unknown.yaml': pod('unknown', '', { run: 'true' })
      .replace('image: debian', 'image: example.com/unknown')
      .replace(/command: .*/, ''),
  })
  const serving = await start()
  const session = ['--session', root]
  const phase = async (name: string): Promise<string> =>
    (
      await podfs(t, [
        'get',
        'pod',
        name,
        ...session,
        '-o',
        'jsonpath={.status.phase} {.status.reason}',
      ])
    ).stdout.trim()
  const mountpoints = async (): Promise<string> =>
    (
      await podfs(t, [
        'get',
        'volume',
        'web.cfg',
        ...session,
        '-o',
        'jsonpath={.spec.mountpoints[*]}',
      ])
    ).stdout
  const logs = async (name: string): Promise<string> =>
    (await podfs(t, ['logs', name, ...session])).stdout
  await eventually(async () => (await logs('web')) === 'blue\n')
  t.equal(await phase('web'), 'Running')
  await eventually(async () => (await phase('fails')) === 'Failed')
  t.equal(await phase('quiet'), 'Pending NotRun')
  t.match(
    serving.stderr(),
    /error: .+unknown\.yaml:\d+:\d+: Pod default\/unknown: spec\.containers\[0\]\.image: /,
  )
  t.match(
    serving.stderr(),
    /Pod default\/fails has failed: container c: exit code 3/,
  )
  await t.test('its volumes are in the tree as well, once', async t => {
    t.equal(text('default/pods/web/cfg/colour'), 'blue')
    const { stdout } = await podfs(t, ['get', 'volumes', ...session])
    t.match(
      stdout,
      /web +cfg +configMap +1 +1 +<none> +\S+ +.+default\/pods\/web\/cfg,c:\/cfg /,
    )
  })
  await t.test('a changed manifest restarts it', async t => {
    write(
      'web.yaml',
      pod('web', volume, {
        run: 'true',
        mounts,
        command: 'echo again; exec sleep 1000',
      }),
    )
    await serving.saw(
      /Pod default\/web changed \(.*\): restarting it/,
      'stderr',
    )
    await eventually(async () => (await logs('web')) === 'again\n')
    t.equal(text('default/pods/web/cfg/colour'), 'blue', 'its volumes stay')
  })
  await t.test(
    'without the annotation it ends, and its volumes stay',
    async t => {
      write('web.yaml', pod('web', volume, { command, mounts }))
      await serving.saw(/Pod default\/web is not to be run any more/, 'stderr')
      await eventually(async () => (await phase('web')) === 'Pending NotRun')
      t.equal(text('default/pods/web/cfg/colour'), 'blue')
      t.equal(await mountpoints(), at('default/pods/web/cfg'))
    },
  )
  await t.test('run: all', async t => {
    write(
      'cron.yaml',
      `apiVersion: batch/v1
kind: CronJob
metadata: {name: backup}
spec:
  schedule: '0 3 * * *'
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: busybox, command: ['true']}]}}}}
---
`,
    )
    configure('run: all')
    await podfs(t, ['reload', ...session])
    await eventually(async () => (await phase('quiet')) === 'Running')
    await eventually(async () => (await phase('web')) === 'Running')
    await serving.saw(/CronJob default\/backup is left out/, 'stderr')
    remove('cron.yaml')
    t.equal(
      await mountpoints(),
      `${at('default/pods/web/cfg')} c:/cfg`,
      'at once, not after its next publication',
    )
    write('web.yaml', pod('web', volume, { run: 'false' }))
    await eventually(async () => (await phase('web')) === 'Pending NotRun')
  })
  await t.test('it ends when it goes', async t => {
    remove('quiet.yaml')
    await serving.saw(/Pod default\/quiet has ended/, 'stderr')
    await eventually(() => !existsSync(at('default/pods/quiet')))
    const { code } = await podfs(t, ['get', 'pod', 'quiet', ...session])
    t.equal(code, 1)
  })
  await end(t, serving)
  t.strictSame(podfsMounts(), [])
})

t.test('a second signal kills what does not end', { skip }, async t => {
  const { start, root } = world(t, {
    'a.yaml': pod('stubborn', '', {
      run: 'true',
      command: 'trap "" TERM; echo trapped; exec sleep 1000',
    }).replace('GracePeriodSeconds: 0', 'GracePeriodSeconds: 600'),
  })
  const serving = await start()
  await eventually(async () => {
    const { stdout } = await podfs(t, ['logs', 'stubborn', '--session', root])
    return stdout === 'trapped\n'
  })
  serving.child.kill('SIGTERM')
  await serving.saw(/ending the Pods, up to 600 s/, 'stderr')
  await end(t, serving)
  t.strictSame(podfsMounts(), [])
  t.notOk(existsSync(root))
})

t.test('killed: the next one adopts the mount', { skip }, async t => {
  const volume = '{name: v, configMap: {name: a}}'
  const marker = `sleep 31${process.pid}`
  const { start, write, remove, at, text, names, root } = world(t, {
    'a.yaml': configMap('a', '{key: one}') + pod('p', volume),
    'goes.yaml': configMap('goes', '{key: one}', 'other'),
    'runs.yaml': pod('runs', volume, {
      run: 'true',
      command: `exec ${marker}`,
      mounts: '{name: v, mountPath: /cfg}',
    }),
  })
  const first = await start()
  const running = (): number[] =>
    readdirSync('/proc')
      .filter(
        pid =>
          textOf(`/proc/${pid}/cmdline`) === `${marker.replace(' ', '\0')}\0`,
      )
      .map(Number)
  const [pid = 0] = await eventually(() => running().length === 1 && running())
  const inotify = new Inotify()
  t.teardown(() => inotify.close())
  for (const directory of ['', 'default/pods/p', 'default/configmaps'])
    inotify.watch(at(directory))
  const watch = inotify.watch(at('default/pods/p/v'))
  const held = await open(at('default/pods/p/v/key'))
  t.teardown(() => held.close())

  first.child.kill('SIGKILL')
  await first.ended
  t.equal(text('default/pods/p/v/key'), 'one', 'it is served on')
  remove('goes.yaml')
  write('comes.yaml', configMap('comes', '{key: new}'))
  const next = await start()
  t.equal(text('default/configmaps/comes/key'), 'new')
  await eventually(() => !existsSync(at('other')))
  t.strictSame(names(), ['default'])
  t.strictSame(
    inotify.drain().filter(event => event.watch === watch),
    [],
    'a volume that is right is left alone',
  )
  t.strictSame(running(), [pid], 'its Pod runs on: see pod-shims.test.ts')

  write('a.yaml', configMap('a', '{key: two}') + pod('p', volume))
  await eventually(() => text('default/pods/p/v/key') === 'two')
  const events: InotifyEvent[] = []
  await eventually(() => {
    events.push(...inotify.drain().filter(event => event.watch === watch))
    return events.length >= swapEvents.length
  })
  t.strictSame(formatEvents(events), swapEvents)
  const { buffer } = await held.read(Buffer.alloc(3), 0, 3, 0)
  t.equal(buffer.toString(), 'one', 'an open file stays')
  t.match(await podfs(t, ['get', 'pods', '--session', root]), {
    stdout: /runs +1\/1 +Running/,
  })
  await end(t, next)
  t.strictSame(podfsMounts(), [])
  t.notOk(isRunning(pid))
  t.notOk(existsSync(root))
  t.notOk(existsSync(`${runtimeDirectory}/serve-${first.pid}`))
})

t.test(
  'killed, and its input is broken at the next start: what was served stays',
  { skip },
  async t => {
    const { start, write, text, at } = world(t, {
      'a.yaml': configMap('a', '{key: one}'),
      'b.yaml': configMap('b', '{key: one}'),
    })
    const first = await start()
    first.child.kill('SIGKILL')
    await first.ended
    write('a.yaml', 'kind: [')
    const next = await start()
    t.match(next.stderr(), /a\.yaml:1:\d+: /)
    t.match(
      next.stderr(),
      'podfs: the input has mistakes or empty files: what was served',
    )
    t.equal(text('default/configmaps/a/key'), 'one')
    write('b.yaml', configMap('b', '{key: two}'))
    await eventually(() => text('default/configmaps/b/key') === 'two')
    t.equal(text('default/configmaps/a/key'), 'one')
    write('a.yaml', configMap('c', '{key: one}'))
    await eventually(() => !existsSync(at('default/configmaps/a')))
    t.equal(text('default/configmaps/c/key'), 'one')
    await end(t, next)
  },
)

t.test(
  'killed, and its files are empty at the next start: what was served stays',
  { skip },
  async t => {
    const { start, write, at, root, text } = world(t, {
      'a.yaml': configMap('a', '{key: one}'),
      'p.yaml': pod('p', '{name: v, configMap: {name: a}}', { run: 'true' }),
    })
    const first = await start()
    await eventually(async () =>
      /^p +1\/1 +Running/m.test(
        (await podfs(t, ['get', 'pods', '--session', root])).stdout,
      ),
    )
    first.child.kill('SIGKILL')
    await first.ended
    for (const name of ['a.yaml', 'p.yaml']) write(name, '')
    const next = await start()
    t.match(next.stderr(), 'podfs: the input has mistakes or empty files')
    // What is empty now may be filled in a moment.
    await next.saw(/a\.yaml:1:1: the file is empty/, 'stderr')
    t.notMatch(next.stderr(), 'gone from its files')
    t.equal(text('default/configmaps/a/key'), 'one')
    t.equal(text('default/pods/p/v/key'), 'one')
    write('p.yaml', pod('q', '{name: v, configMap: {name: a}}'))
    write('a.yaml', configMap('a', '{key: two}'))
    await next.saw(/podfs: Pod default\/p is gone from its files/, 'stderr')
    await eventually(() => text('default/pods/q/v/key') === 'two')
    await eventually(() => !existsSync(at('default/pods/p')))
    await end(t, next)
  },
)

t.test('keeper and servers killed: a fresh mount', { skip }, async t => {
  const { start, root, text } = world(t, {
    'a.yaml':
      configMap('a', '{key: one}') +
      pod('p', '{name: v, configMap: {name: a}}'),
  })
  const serving = await start()
  const directory = `${runtimeDirectory}/serve-${serving.pid}`
  const before = readdirSync(directory)
  killAtOnce(await holdersOf(directory))
  await eventually(
    () =>
      podfsMounts().length === mountsOfOne &&
      readFileSync('/proc/self/mountinfo', 'utf8').includes(
        // Of an ordinary user's the file server keeps it.
        ` ${escapeMountPath(root)} ${isRoot ? 'ro,' : ''}`,
      ) &&
      existsSync(directory) &&
      readdirSync(directory).some(
        name => name.startsWith('again-') && !before.includes(name),
      ) &&
      text('default/pods/p/v/key') === 'one',
  )
  t.equal(text('default/configmaps/a/key'), 'one')
  await end(t, serving)
  t.strictSame(podfsMounts(), [])
})

t.test('mistakes of the command line', { skip }, async t => {
  const dir = t.testdir({})
  const cases = [
    {
      args: ['-f', '-'],
      stderr: 'error: serve reads files: standard input ends',
    },
    { args: ['k8s'], stderr: 'error: what is k8s?\n  podfs serve -f k8s\n' },
    {
      args: ['--access', 'me'],
      stderr: 'error: --access me: must be owner, everybody or group:NAME\n',
    },
    {
      args: ['--access', 'group:no-such-group'],
      stderr:
        'error: --access group:no-such-group: no group no-such-group on this machine\n  groupadd no-such-group\n',
    },
    {
      args: ['--run', 'some'],
      stderr: 'error: --run some: must be one of none, annotated, all\n',
    },
    {
      args: ['--root', '/proc/podfs'],
      code: 2,
      stderr: 'error: cannot make /proc/podfs',
    },
  ]
  for (const { args, stderr } of cases)
    t.match(await podfs(t, ['serve', ...args], { cwd: dir }), {
      code: 2,
      stderr,
    })
})
