import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readlinkSync } from 'node:fs'
import {
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import t from 'tap'
import { resolveSubPath } from '../../src/runner/launch/sub-path.ts'
import {
  defaultRights,
  inRun,
  isNested,
  makeMount,
  makeSandbox,
  needsRoot,
} from './sandbox.ts'

t.test('a container’s root', { skip: needsRoot }, async t => {
  const name = `podfs-test-${process.pid}`

  t.test('what it writes into system directories stays its own', async t => {
    const { sh } = await makeSandbox(t)
    const places = ['/usr/share', '/etc', '/var', '/usr/bin', '/run']
    const files = places.map(place => `${place}/${name}`)
    const { output, exitCode } = await sh(
      files.map(file => `echo mine > ${file} && cat ${file}`).join(' && '),
    )
    t.equal(exitCode, 0)
    t.equal(output, 'mine\n'.repeat(files.length))
    for (const file of files) t.notOk(existsSync(file), file)
    t.match(
      await sh(`cat ${files[0]}`),
      { exitCode: 1 },
      'and the next container does not see it',
    )
  })

  t.test('what it writes elsewhere is the host’s', async t => {
    const { sh, directory } = await makeSandbox(t)
    t.match(await sh(`echo hello > ${directory}/file`), { exitCode: 0 })
    t.equal(await readFile(`${directory}/file`, 'utf8'), 'hello\n')
  })

  t.test('what podfs has mounted elsewhere is not there', async t => {
    const { sh, directory } = await makeSandbox(t)
    for (const name of ['plain', 'two\nlines\n', 'back\\slash\\n', ' ']) {
      const mountpoint = join(directory, name)
      await mkdir(mountpoint)
      // As podfs's own: the name of its source says so.
      const mount = ['-t', 'tmpfs', 'podfs-volumes', mountpoint]
      t.equal(spawnSync('mount', mount).status, 0)
      t.teardown(() => spawnSync('umount', [mountpoint]))
      await writeFile(join(mountpoint, 'file'), '')
    }
    t.match(await sh(`ls ${directory}/*`), { exitCode: 0, output: /plain/ })
    // In a user namespace the sandbox has a copy of /etc in there.
    const others = `-path ${directory}/scratch -prune -o -name file -print`
    t.match(await sh(`find ${directory} ${others}`), { output: '' })
  })

  t.test('hostRoot: the host as it is', async t => {
    const { sh, directory } = await makeSandbox(t, { hostRoot: true })
    await mkdir(`${directory}/vol`)
    const file = `/var/tmp/${name}`
    t.teardown(() => rm(file, { force: true }))
    const mounts = [makeMount(`${directory}/vol`, `/etc/${name}/deep`)]
    t.match(
      await sh(
        `echo x > ${file}; echo y > /etc/${name}/deep/y; ls /etc/passwd`,
        {
          mounts,
        },
      ),
      { exitCode: 0, output: '/etc/passwd\n' },
    )
    t.ok(existsSync(file))
    t.ok(existsSync(`${directory}/vol/y`))
    t.notOk(existsSync(`/etc/${name}`))
  })

  t.test(
    'C143 to C146: a directory that became a link since its subPath was resolved',
    async t => {
      const { sh, directory } = await makeSandbox(t)
      await mkdir(`${directory}/vol/sub`, { recursive: true })
      await writeFile(`${directory}/vol/sub/file`, 'inside')
      const volume = { path: `${directory}/vol`, readOnly: false }
      const target = await resolveSubPath(volume, 'sub')
      const { path = '', identity = '' } = target ?? {}
      const mounts = [makeMount(path, '/mnt/sub', { identity })]
      t.match(await sh('cat /mnt/sub/file', { mounts }), { output: 'inside' })

      await rename(path, `${path}.old`)
      // With nothing mounted below: in a user namespace it could not be mounted alone.
      const elsewhere = `${directory}/elsewhere`
      await mkdir(elsewhere)
      await symlink(elsewhere, path)
      await t.rejects(sh('ls /mnt/sub', { mounts }), {
        message: /mountPath \/mnt\/sub: its subPath was replaced/,
      })
    },
  )

  t.test('volumes appear at paths that the host does not have', async t => {
    const { sh, directory } = await makeSandbox(t)
    await mkdir(`${directory}/vol`)
    await mkdir(`${directory}/home/project`, { recursive: true })
    await writeFile(`${directory}/vol/key`, 'value')
    await writeFile(`${directory}/home/file`, 'host')
    const paths = [
      `/${name}`,
      `/var/run/${name}/y`,
      `/etc/${name}`,
      `${directory}/home/new dir/#deep`,
    ]
    const { output, exitCode } = await sh(
      [
        ...paths.map(path => `cat '${path}/key'`),
        `cat ${directory}/home/file`,
        // The directory that got a layer is private; what is below it is not.
        `echo changed > ${directory}/home/file`,
        `echo kept > ${directory}/home/project/file`,
      ].join(' && '),
      { mounts: paths.map(path => makeMount(`${directory}/vol`, path)) },
    )
    t.match(
      { output, exitCode },
      { output: 'valuevaluevaluevaluehost', exitCode: 0 },
    )
    for (const path of [`/${name}`, `/run/${name}`, `/etc/${name}`])
      t.notOk(existsSync(path), path)
    t.notOk(existsSync(`${directory}/home/new dir`))
    t.equal(await readFile(`${directory}/home/file`, 'utf8'), 'host')
    t.equal(await readFile(`${directory}/home/project/file`, 'utf8'), 'kept\n')
  })

  t.test('a volume may be read-only, a file, or within another', async t => {
    const { sh, directory } = await makeSandbox(t)
    await mkdir(`${directory}/vol`)
    await writeFile(`${directory}/vol/key`, 'value')
    const mounts = [
      makeMount(`${directory}/vol`, '/rw/inner', { readOnly: true }),
      makeMount(`${directory}/vol`, '/rw'),
      makeMount(`${directory}/vol/key`, '/etc/resolv.conf'),
      makeMount(`${directory}/vol/key`, '/etc/new.conf', { readOnly: true }),
    ]
    const { output } = await sh(
      [
        'cat /etc/resolv.conf /etc/new.conf /rw/key /rw/inner/key; echo',
        '(echo x > /rw/inner/y) 2>&1 | grep -o Read-only; touch /etc/new.conf 2>/dev/null || echo no',
        'echo written > /rw/y; ls /rw/inner',
      ].join('\n'),
      { mounts },
    )
    t.match(output, /^valuevaluevaluevalue\nRead-only\n/)
    t.match(output, /no\n/)
    t.match(output, /inner\nkey\ny\n$/)
    t.equal(await readFile(`${directory}/vol/y`, 'utf8'), 'written\n')
  })

  t.test('what is mounted in a volume later, and below it', async t => {
    const { start, directory } = await makeSandbox(t)
    const volume = join(directory, 'volume')
    const mount = (...args: string[]) => {
      const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' })
      t.equal(status, 0, stderr)
    }
    await mkdir(volume)
    mount('-t', 'tmpfs', '--make-shared', 'podfs-test', volume)
    t.teardown(() => spawnSync('umount', ['-R', '-l', volume]))
    await mkdir(join(volume, 'below'))
    await mkdir(join(volume, 'later'))
    mount('-t', 'tmpfs', 'podfs-test', join(volume, 'below'))
    const hostPath = { recursive: true, readOnly: true }
    const read = await start(
      [
        'sh',
        '-c',
        `for place in closed follows
        do (echo x > /$place/file) 2>&1 | grep -o Read-only
        (echo x > /$place/below/file) 2>&1 | grep -o Read-only || echo $place below; done
        echo up
        until [ -e /follows/later/file ]; do sleep 0.05; done
        ls /closed/later; echo followed; exec sleep 1000`,
      ],
      {
        mounts: [
          makeMount(volume, '/closed', { ...hostPath, readOnlyBelow: true }),
          makeMount(volume, '/follows', { ...hostPath, followsHost: true }),
        ],
      },
    )
    await read.says('up')
    mount('-t', 'tmpfs', 'podfs-test', join(volume, 'later'))
    await writeFile(join(volume, 'later/file'), 'x')
    await read.says('followed')
    t.equal(
      read.output,
      'Read-only\nRead-only\nRead-only\nfollows below\nup\nfollowed\n',
    )
  })

  t.test('directories of the host that are shared', async t => {
    const parent = await mkdtemp('/tmp/podfs-project-')
    t.teardown(() => rm(parent, { recursive: true, force: true }))
    const project = join(parent, 'project')
    await mkdir(project)
    await writeFile(join(parent, 'other'), 'x')
    await writeFile(
      join(project, 'program'),
      '#!/bin/sh\nls -A /tmp /home "$@"\n',
      {
        mode: 0o755,
      },
    )
    const { run } = await makeSandbox(t, {
      visible: [project],
      hostDirectories: [],
    })
    t.match(await run([join(project, 'program'), parent, '/srv', '/run']), {
      exitCode: 0,
      output: `/home:\n\n/run:\n\n/srv:\n\n/tmp:\n${basename(parent)}\n\n${parent}:\nproject\n`,
    })
    const ofImage = await makeSandbox(t, { visible: [] })
    t.match(
      await ofImage.run([join(project, 'program'), project], {
        visible: [join(project, 'program')],
      }),
      { exitCode: 0, output: `${project}:\nprogram\n` },
    )
  })

  t.test('hosts file and hostname', async t => {
    const { sh, directory } = await makeSandbox(t)
    await writeFile(`${directory}/hosts`, '127.0.0.1 localhost\n')
    const hostsFile = `${directory}/hosts`
    t.equal(
      (
        await sh(
          'cat /etc/hosts /etc/hostname; uname -n; echo 10.1.2.3 x >> /etc/hosts',
          { hostsFile },
        )
      ).output,
      '127.0.0.1 localhost\npod-1\npod-1\n',
    )
    t.match(await readFile(hostsFile, 'utf8'), '10.1.2.3 x')
    const machines = await makeSandbox(t, {}, { ipc: 'node', pid: 'container' })
    const { output } = await machines.sh('uname -n; readlink /proc/self/ns/uts')
    t.equal(output, `${hostname()}\n${readlinkSync('/proc/self/ns/uts')}\n`)
  })

  t.test(
    'the run-time directory is not there, but the volumes in it are',
    async t => {
      const runtimeDirectory = await mkdtemp(join(inRun, 'podfs-test-'))
      t.teardown(() => rm(runtimeDirectory, { recursive: true, force: true }))
      const vol = join(runtimeDirectory, 'vol')
      await mkdir(vol)
      await writeFile(join(vol, 'key'), 'value')
      const { sh } = await makeSandbox(t, {
        ownDirectories: [runtimeDirectory],
        scratchDirectory: join(runtimeDirectory, 'scratch'),
      })
      const { output } = await sh(
        `cat /data/key; ls -A ${runtimeDirectory} || awk '{print $2}' /proc/self/mounts | grep ${runtimeDirectory}`,
        { mounts: [makeMount(vol, '/data')] },
      )
      // What comes with a mount of an ordinary user's is covered.
      t.match(
        output,
        isNested ? /^value$/ : /^valuels: .*No such file or directory\n$/,
      )
    },
  )

  t.test('sockets in /run are the host’s', async t => {
    const path = join(inRun, `${name}.sock`)
    const server = createServer(socket => socket.end('hello'))
    await new Promise<void>(resolve => server.listen(path, resolve))
    t.teardown(() => server.close())
    const { run } = await makeSandbox(t)
    const script = `require('net').connect('${path}').pipe(process.stdout)`
    t.match(await run([process.execPath, '-e', script]), { output: 'hello' })
  })

  const needsFuse = !existsSync('/dev/fuse') && 'needs /dev/fuse'
  t.test('other podfs mounts are not seen', { skip: needsFuse }, async t => {
    const { sh, directory } = await makeSandbox(t)
    const point = join(directory, 'a mount')
    await mkdir(point)
    // Nobody serves it: who asks it anything hangs, so this also shows that nobody asks.
    const fuse = openSync('/dev/fuse', 'r+')
    const options = 'fd=3,rootmode=40000,user_id=0,group_id=0'
    const mounted = spawnSync(
      'mount',
      ['-n', '-i', '-t', 'fuse.podfs', '-o', options, 'podfs', point],
      { stdio: ['ignore', 'pipe', 'pipe', fuse], encoding: 'utf8' },
    )
    t.teardown(() => {
      spawnSync('umount', ['-n', '-c', '-l', point])
      closeSync(fuse)
    })
    t.equal(mounted.stderr, '')
    t.match(await readFile('/proc/self/mounts', 'utf8'), 'fuse.podfs')
    // Those of others are locked in a user namespace: they are covered, or out of reach.
    const mounts = `/proc/self/mounts${isNested ? ` | grep ${directory}` : ''}`
    const { output } = await sh(
      `grep fuse.podfs ${mounts}; ls -A '${point}'; echo end`,
    )
    t.equal(output, 'end\n')
  })

  t.test(
    'only the container’s processes are in /proc, only its mounts in sight',
    async t => {
      const { sh } = await makeSandbox(t)
      const { output } = await sh(
        'echo $$ /proc/[0-9]*; awk \'$5 == "/proc"\' /proc/self/mountinfo | wc -l; ls -A / | grep podfs',
      )
      // That of the machine comes with the root of an ordinary user's, and is covered.
      t.equal(output, `1 /proc/1\n${isNested ? 2 : 1}\n`)
    },
  )

  t.test('a mount that fails says why', async t => {
    const { runtime, directory } = await makeSandbox(t)
    const launch = {
      name: 'main',
      argv: ['true'],
      env: new Map<string, string>(),
      mounts: [makeMount(`${directory}/none`, '/data')],
      busybox: false,
      rights: defaultRights,
    }
    await t.rejects(runtime.prepare(launch), {
      name: 'ContainerStartError',
      container: 'main',
      message: `mountPath /data: ${directory}/none does not exist`,
    })
  })
})
