import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { ownIdMaps } from '../../src/linux/user-namespace.ts'
import type { ContainerLaunch } from '../../src/runner/sandbox/container-runtime.ts'
import { textOf } from '../../src/util/text-of.ts'
import { capability } from '../helpers/capability.ts'
import { eventually } from '../helpers/podfs.ts'
import {
  defaultRights,
  hostPath,
  isAlive,
  makeMount,
  makeSandbox,
  needsRoot,
} from './sandbox.ts'

t.test('a container’s program', { skip: needsRoot }, async t => {
  t.test('gets every environment variable, whatever its name', async t => {
    const { run } = await makeSandbox(t)
    const env = new Map([
      ['PATH', hostPath],
      ['data-1', 'one'],
      ['1-x', 'two'],
      ['#@!x', 'a\nb'],
      ['$_-', ''],
    ])
    const { output } = await run(['env', '-0'], { env })
    // Tap gives variables of its own to every child process.
    const given = output
      .split('\0')
      .filter(line => !/^(_TAPJS_|NODE_OPTIONS=)/.test(line))
    t.same(given, [...[...env].map(([name, value]) => `${name}=${value}`), ''])
  })

  t.test('gets linker variables, which its fences do not', async t => {
    const { run } = await makeSandbox(t)
    const env = new Map([
      ['PATH', hostPath],
      ['LD_LIBRARY_PATH', '/nowhere'],
      ['LD_PRELOAD', ''],
    ])
    t.match(
      (await run(['env'], { env })).output,
      /^LD_LIBRARY_PATH=\/nowhere$/m,
    )
  })

  t.test(
    'is found in the container’s PATH, and is not run by what is there',
    async t => {
      const { run, directory } = await makeSandbox(t)
      await mkdir(`${directory}/bin`)
      for (const name of [
        'hello',
        'unshare',
        'nsenter',
        'setpriv',
        'env',
        'sh',
      ]) {
        await writeFile(`${directory}/bin/${name}`, '#!/bin/echo\n')
        await chmod(`${directory}/bin/${name}`, 0o755)
      }
      const mounts = [makeMount(directory, '/app')]
      const env = new Map([['PATH', '/app/bin']])
      t.equal(
        (await run(['hello', 'x'], { env, mounts })).output,
        '/app/bin/hello x\n',
      )
    },
  )

  t.test('has default signals, no input and no terminal', async t => {
    const { sh } = await makeSandbox(t)
    const { output } = await sh(
      'grep -E "Sig(Blk|Ign)" /proc/self/status; cat; echo > /dev/tty || echo none',
    )
    t.match(output, /^SigBlk:\t0{16}\nSigIgn:\t0{16}\n/)
    t.match(output, /none\n/)
  })

  t.test(
    'can open its standard output again, also as another user',
    async t => {
      const { sh } = await makeSandbox(t)
      const script =
        'echo a > /dev/stdout; echo b > /dev/stderr; echo c > /proc/1/fd/1'
      for (const more of [
        {},
        { user: { uid: 1234, gid: 1234, supplementalGroups: [] } },
      ]) {
        const { output } = await sh(script, more)
        t.equal(output.split('\n').sort().join(''), 'abc')
      }
    },
  )

  t.test(
    'loses no output, however much and however late it is read',
    async t => {
      const { runtime } = await makeSandbox(t)
      const container = await runtime.start({
        name: 'main',
        argv: ['sh', '-c', 'head -c 3000000 /dev/zero; echo end >&2'],
        env: new Map([['PATH', hostPath]]),
        mounts: [],
        busybox: false,
        rights: defaultRights,
      })
      let length = 0
      const exited = container.exited.then(() => length)
      container.stderr.resume()
      container.stdout.on('data', (chunk: Buffer) => (length += chunk.length))
      t.equal(await exited, 3_000_000)
    },
  )

  t.test('has its exit code', async t => {
    const { sh } = await makeSandbox(t)
    for (const code of [0, 1, 7, 126, 127, 255])
      t.match(await sh(`exit ${code}`), { exitCode: code })
  })

  t.test('is PID 1: ignores TERM, dies of KILL', async t => {
    const { start } = await makeSandbox(t)
    const container = await start([
      'sh',
      '-c',
      'echo "pid $$"; (trap "echo child; exit" TERM; echo up; while :; do sleep 0.01; done) & wait; sleep 1000',
    ])
    await container.says('up')
    t.match(container.output, 'pid 1\n')
    const status = readFileSync(`/proc/${container.pid}/status`, 'utf8')
    t.match(status, /^NSpid:\t\d+\t1$/m, 'the pid is that of PID 1')
    container.container.signal('SIGTERM')
    const { exitCode } = await container.container.exec(
      ['true'],
      new AbortController().signal,
    )
    t.equal(exitCode, 0, 'still there')
    container.container.signal('SIGKILL')
    t.same(await container.exited, { exitCode: 137, signal: 'SIGKILL' })
    t.notOk(isAlive(container.pid))
    t.doesNotThrow(() => container.container.signal('SIGTERM'))
  })

  t.test('can handle TERM', async t => {
    const { start } = await makeSandbox(t)
    const container = await start([
      'sh',
      '-c',
      'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.01; done',
    ])
    await container.says('up')
    container.container.signal('SIGTERM')
    t.same(await container.exited, { exitCode: 3 })
    t.match(container.output, 'bye')
  })

  t.test(
    'takes all its processes along, those in sessions of their own too',
    async t => {
      const { start } = await makeSandbox(t)
      const container = await start([
        'sh',
        '-c',
        'setsid setsid sleep 987 & setsid sh -c "sleep 988 & sleep 989" & echo up; read x < /dev/zero; sleep 1000',
      ])
      await container.says('up')
      const pids = await pidsIn(container.pid)
      t.ok(pids.length > 1)
      container.container.signal('SIGKILL')
      await container.exited
      t.same(pids.filter(isAlive), [])
    },
  )

  t.test('runs as its user, in its working directory', async t => {
    const { sh, directory } = await makeSandbox(t)
    const user = { uid: 1234, gid: 2345, supplementalGroups: [3456, 4567] }
    t.equal(
      (await sh('id -u; id -g; id -G; pwd', { user, workingDir: '/app/new' }))
        .output,
      '1234\n2345\n2345 3456 4567\n/app/new\n',
    )
    t.equal(
      (await sh('pwd; echo x > f', { workingDir: `${directory}/a/b` })).output,
      `${directory}/a/b\n`,
    )
  })

  t.test('that cannot be run is named', async t => {
    const { runtime, directory } = await makeSandbox(t)
    await writeFile(`${directory}/text`, 'echo hello\n')
    await chmod(`${directory}/text`, 0o755)
    await writeFile(`${directory}/plain`, '')
    await writeFile(`${directory}/script`, '#!/nowhere/sh -e\n')
    await chmod(`${directory}/script`, 0o755)
    const program = (name: string) => `${directory}/${name}`
    const cases: [string, string][] = [
      ['foo', 'executable file not found in $PATH'],
      ['/nowhere/foo', 'no such file or directory'],
      ['./foo', 'no such file or directory'],
      ['/usr', 'is a directory'],
      [program('plain'), 'permission denied'],
      [program('text'), 'exec format error'],
      [program('script'), 'interpreter /nowhere/sh: no such file or directory'],
    ]
    for (const [name, message] of cases)
      await t.rejects(
        runtime.start({
          name: 'main',
          argv: [name],
          env: new Map([['PATH', hostPath]]),
          mounts: [],
          busybox: false,
          rights: defaultRights,
        }),
        {
          name: 'ContainerStartError',
          container: 'main',
          message: `exec: "${name}": ${message}`,
        },
        message,
      )
  })

  t.test('that is given too much is named with it', async t => {
    const { runtime, start } = await makeSandbox(t)
    const big = 'x'.repeat(128 * 1024)
    const launch = (env: [string, string][], ...words: string[]) => ({
      name: 'main',
      argv: ['true', ...words],
      env: new Map([['PATH', hostPath], ...env]),
      mounts: [],
      busybox: false,
      rights: defaultRights,
    })
    const all = Array.from({ length: 64 }, (_, i): [string, string] => [
      `B${i}`,
      big.slice(100),
    ])
    const limit = 'and the kernel takes 131071'
    const cases = [
      [
        launch([['BIG', big]]),
        `the environment variable "BIG" has 131076 bytes with its name, ${limit}`,
      ],
      [launch([], big), `word 2 of the command has 131072 bytes, ${limit}`],
      [
        launch(all),
        /command and environment have \d+ bytes, and the kernel takes \d+ /,
      ],
    ] as const
    const descriptors = () => readdirSync('/proc/self/fd').length
    const before = descriptors()
    for (const [container, why] of cases) {
      const { message } = await runtime.start(container).then(
        () => new Error('it runs'),
        (error: Error) => error,
      )
      t.match(message, 'exec: "true": argument list too long: ')
      t.match(message, why)
    }
    const exact = big.slice('BIG=x'.length)
    const { container } = await start(['sleep', '1000'], {
      env: launch([['BIG', exact]]).env,
    })
    t.match(await container.exec(['true', big], new AbortController().signal), {
      exitCode: 126,
      output: /argument list too long: word 2 of the command/,
    })
    await runtime.close()
    // No pipe is left open.
    await eventually(() => descriptors() <= before)
  })

  t.test('that its user may not run is named as well', async t => {
    const { run, directory } = await makeSandbox(t)
    await writeFile(`${directory}/secret`, '#!/bin/sh\n')
    await chmod(`${directory}/secret`, 0o700)
    await chmod(directory, 0o755)
    const user = { uid: 1234, gid: 1234, supplementalGroups: [] }
    await t.rejects(run([`${directory}/secret`], { user }), {
      name: 'ContainerStartError',
      message: /secret.: Permission denied/,
    })
  })

  t.test('may be called like a variable', async t => {
    const { run, directory } = await makeSandbox(t)
    const program = `${directory}/a=b`
    await writeFile(program, '#!/bin/sh\necho $0\n', { mode: 0o755 })
    t.match(await run([program]), { exitCode: 0, output: `${program}\n` })
  })

  t.test('starts anew each time', async t => {
    const { sh, runtime } = await makeSandbox(t)
    const launch = {
      name: 'main',
      argv: ['sh', '-c', 'test ! -e /etc/again && touch /etc/again'],
      env: new Map([['PATH', hostPath]]),
      mounts: [],
      busybox: false,
      rights: defaultRights,
    }
    await runtime.prepare(launch)
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const container = await runtime.start(launch)
      container.stdout.resume()
      container.stderr.resume()
      t.same(await container.exited, { exitCode: 0 })
    }
    await runtime.close()
    await t.rejects(sh('true'), { message: 'the Pod has ended' })
  })

  t.test('waits for its turn where it is prepared', async t => {
    const { runtime, directory } = await makeSandbox(t)
    const said = join(directory, 'said')
    await writeFile(said, '')
    const launch = (name: string) => ({
      name,
      argv: ['sh', '-c', `echo ${name} >> /said`],
      env: new Map([['PATH', hostPath]]),
      mounts: [makeMount(said, '/said')],
      busybox: false,
      rights: defaultRights,
    })
    const launches = ['never', 'second', 'first'].map(launch)
    await Promise.all(launches.map(launch => runtime.prepare(launch)))
    const waiting = await eventually(() => {
      const found = beforeTheirPrograms()
      return found.length === launches.length && found
    })
    const [, second, first] = launches
    for (const launch of [first, second]) {
      const container = await runtime.start(launch as ContainerLaunch)
      container.stdout.resume()
      container.stderr.resume()
      t.same(await container.exited, { exitCode: 0 })
    }
    await runtime.close()
    t.equal(await readFile(said, 'utf8'), 'first\nsecond\n')
    t.ok(waiting.every(pid => !isAlive(pid)))
  })
})

/** Of the machine's root, where anybody may read them. */
const rootsFiles = ['GPL-2', 'GPL-3', 'Artistic', 'BSD'].map(
  name => `/usr/share/common-licenses/${name}`,
)

t.test(
  'a program changes files of the machine’s, for its container alone',
  {
    skip:
      needsRoot ||
      (ownIdMaps() !== undefined && capability('fuse-overlayfs')) ||
      (!rootsFiles.every(file => existsSync(file)) && 'needs Debian'),
  },
  async t => {
    const told: string[] = []
    const { start, sh } = await makeSandbox(t, {
      notice: text => told.push(text),
    })
    const before = rootsFiles.map(file => readFileSync(file, 'utf8'))
    const [one, two, three, four] = rootsFiles
    const changes = [
      `set -e; [ ! -e /.podfs ]; [ "$(stat -c %u:%g ${one})" = 0:0 ]`,
      `echo mine >>${one}; [ "$(tail -n 1 ${one})" = mine ]`,
      `chmod 4711 ${two}; chown 1:2 ${two}; chmod 640 ${two}`,
      `[ "$(stat -c %u:%g:%a ${two})" = 1:2:640 ]`,
      `rm ${three}; ! [ -e ${three} ]; ln ${one} ${three}; cmp ${one} ${three}`,
      `mv ${four} ${four}-moved; mkdir ${four}; touch ${four}/a`,
      'mkdir -p /usr/local/a/b/c/d/e; echo x >/usr/local/a/b/c/d/e/f',
      '[ "$(stat -c %u:%g /usr/local/a/b)" = 0:0 ]',
      'echo done; sleep 1000',
    ]
    const container = await start(['sh', '-c', changes.join('\n')])
    void container.exited.then(() => (container.output += 'ended'))
    await container.says('done')
    const others = await sh(`md5sum ${rootsFiles.join(' ')}; ls /usr/local`)
    t.equal(others.exitCode, 0)
    t.notMatch(others.output, /^a$/m)
    const after = rootsFiles.map(file => readFileSync(file, 'utf8'))
    t.strictSame(after, before)
    t.same(
      others.output.match(/^\w{32}/gm),
      before.map(text => createHash('md5').update(text).digest('hex')),
    )
    if (ownIdMaps() === undefined) return
    const written = (await container.container.writtenBytes?.()) ?? 0n
    t.ok(written >= BigInt(before[0]?.length ?? 0), `${written} bytes`)

    await t.test('nothing goes on without fuse-overlayfs', async t => {
      const servers = (await pidsIn(process.pid)).filter(
        pid => nameOf(pid) === 'fuse-overlayfs',
      )
      // Those of containers that have ended have ended, too.
      t.equal(servers.length, 1)
      process.kill(servers[0] ?? 0, 'SIGKILL')
      t.equal((await container.exited).exitCode, 137)
      t.match(told, [
        /^container main is killed: its fuse-overlayfs .*SIGKILL$/,
      ])
    })
  },
)

function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
}

/** Those of which nothing is left to be done but to execute the program. */
function beforeTheirPrograms(): number[] {
  const childrenOf = (pid: number): number[] =>
    (textOf(`/proc/${pid}/task/${pid}/children`) ?? '')
      .split(' ')
      .filter(Boolean)
      .map(Number)
  return childrenOf(process.pid)
    .flatMap(childrenOf)
    .filter(pid => textOf(`/proc/${pid}/cmdline`)?.includes('podfs-start'))
    .filter(pid => textOf(`/proc/${pid}/mountinfo`)?.includes(' /proc/sys '))
    .filter(pid => childrenOf(pid).length === 0)
}

/** The host's numbers of all processes in the PID namespace of this one. */
async function pidsIn(pid: number): Promise<number[]> {
  const found = [pid]
  for (const parent of found) {
    const children = readFileSync(
      `/proc/${parent}/task/${parent}/children`,
      'utf8',
    )
    found.push(...children.split(' ').filter(Boolean).map(Number))
  }
  return found
}

t.test(
  'a program that is killed before it is seen did start',
  { skip: needsRoot },
  async t => {
    // From inside nobody kills the PID 1 of a namespace.
    const { sh } = await makeSandbox(t, {}, { ipc: 'pod', pid: 'node' })
    for (let i = 0; i < 10; i += 1)
      t.match(await sh('kill -9 $$'), { exitCode: 137, output: '' })
  },
)
