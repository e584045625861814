import t from 'tap'
import { hostPath, isAlive, makeSandbox, needsRoot } from './sandbox.ts'

const never = new AbortController().signal

t.test('exec in a container', { skip: needsRoot }, async t => {
  t.test(
    'has the container’s world, user, environment and directory',
    async t => {
      const { start } = await makeSandbox(t)
      const { container } = await start(['sleep', '1000'], {
        workingDir: '/app',
        user: { uid: 1234, gid: 2345, supplementalGroups: [] },
        env: new Map([
          ['PATH', hostPath],
          ['data-1', 'x'],
        ]),
      })
      t.match(
        await container.exec(
          ['sh', '-c', 'id -u; id -g; pwd; uname -n; echo /proc/[0-9]; exit 3'],
          never,
        ),
        {
          exitCode: 3,
          output: /^1234\n2345\n\/app\npod-1\n\/proc\/1 \/proc\/\d+\n$/,
        },
      )
      t.match(await container.exec(['env'], never), { output: 'data-1=x' })
    },
  )

  t.test('gives at most 10 KiB of output', async t => {
    const { start } = await makeSandbox(t)
    const { container } = await start(['sleep', '1000'])
    const { output, exitCode } = await container.exec(
      ['sh', '-c', 'head -c 100000 /dev/zero | tr "\\0" x'],
      never,
    )
    t.equal(exitCode, 0)
    t.equal(output, 'x'.repeat(10 * 1024))
  })

  t.test('says what it cannot run', async t => {
    const { start } = await makeSandbox(t)
    const { container } = await start(['sleep', '1000'])
    t.same(await container.exec(['foo'], never), {
      exitCode: 127,
      output: 'exec: "foo": executable file not found in $PATH',
      notStarted: true,
    })
    t.match(await container.exec(['/etc'], never), { exitCode: 126 })
  })

  t.test('is killed, with its children, when aborted', async t => {
    const { start } = await makeSandbox(t)
    const read = await start([
      'sh',
      '-c',
      'mkfifo /etc/f; echo up; cat /etc/f; sleep 1000',
    ])
    await read.says('up')
    const abort = new AbortController()
    const running = read.container.exec(
      // The pids as the host sees them, by way of a host directory's /proc.
      ['sh', '-c', 'sleep 1001 & echo started > /etc/f; wait'],
      abort.signal,
    )
    await read.says('started')
    abort.abort()
    t.match(await running, { exitCode: 137, signal: 'SIGKILL' })
    const left = await read.container.exec(
      [
        'sh',
        '-c',
        'cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -o "sleep 100[1]"',
      ],
      never,
    )
    t.match(left, { exitCode: 1, output: '' })
    const aborted = await read.container.exec(['true'], abort.signal)
    t.equal(
      aborted.exitCode,
      137,
      'and does not begin when it is aborted before',
    )
  })

  t.test('ends with the container', async t => {
    const { start } = await makeSandbox(t)
    const read = await start([
      'sh',
      '-c',
      'mkfifo /etc/f; echo up; cat /etc/f; sleep 1000',
    ])
    await read.says('up')
    const running = read.container.exec(
      ['sh', '-c', 'echo started > /etc/f; sleep 1000'],
      never,
    )
    await read.says('started')
    read.container.signal('SIGKILL')
    t.match(await running, { exitCode: 137 })
    await read.exited
    t.notOk(isAlive(read.pid))
    t.match(await read.container.exec(['true'], never), {
      exitCode: 126,
      output: 'container is not running',
    })
  })

  t.test('does not wait for what it leaves in the background', async t => {
    const { start } = await makeSandbox(t)
    const { container } = await start(['sleep', '1000'])
    t.same(
      await container.exec(['sh', '-c', 'sleep 1000 & echo done'], never),
      {
        exitCode: 0,
        output: 'done\n',
      },
    )
  })
})
