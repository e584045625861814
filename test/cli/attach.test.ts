/*
 * Ways into a container beside exec: its own streams, its files and its ports.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { capability } from '../helpers/capability.ts'
import { kubectl, tcpTo } from '../helpers/kubectl.ts'
import { freePort } from '../helpers/loopback-server.ts'
import '../helpers/needs-mounts.ts'
import { podfs, startPodfs, runtimeDirectory } from '../helpers/podfs.ts'
import { interruptSleep, startOnTerminal } from '../helpers/typed.ts'

t.setTimeout(300_000)

const program = path.resolve('dist/podfs.cjs')

function manifest(containers: string): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: within}
spec:
  terminationGracePeriodSeconds: 0
  containers:${containers}
`
}

async function running(t: Test, containers: string) {
  const dir = t.testdir({ 'pod.yaml': manifest(containers) })
  const run = startPodfs(t, ['run', '-f', `${dir}/pod.yaml`])
  const session = `run-${run.pid}`
  const of = (command: string, ...args: readonly string[]) => [
    command,
    '--session',
    session,
    ...args,
  ]
  await run.saw(/ready/)
  await podfs(t, of('exec', 'within', '-c', 'c', '--', 'true'))
  return { dir, run, of, socket: `${runtimeDirectory}/${session}/api.sock` }
}

t.test('podfs attach', async t => {
  const { run, of, socket } = await running(
    t,
    `
  - {name: c, image: debian, command: [sh, -c, 'echo ready; echo once; while read -r l; do echo "got $l"; echo "err $l" >&2; done; echo over; exec sleep 1000'], stdin: true, stdinOnce: true}
  - {name: open, image: debian, command: [sh, -c, 'while read -r l; do echo "got $l"; done; echo over'], stdin: true}
  - {name: shell, image: debian, command: [sh], stdin: true, tty: true}
  - {name: closed, image: debian, command: [sh, -c, 'cat; echo nothing to read; exec sleep 1000']}`,
  )
  await run.saw(/^closed \| nothing to read$/m)
  const first = startPodfs(t, of('attach', '-i', 'within', '-c', 'c'), {
    input: 'one\n',
  })
  await first.saw(/got one\nover/)
  t.notMatch(first.stdout(), /once/, 'what was said before is for logs')
  await first.saw(/^err one$/m, 'stderr')
  first.child.kill('SIGINT')
  t.equal((await first.ended).code, 130)
  for (const word of ['two', 'three']) {
    const next = startPodfs(t, of('attach', '-i', 'within', '-c', 'open'), {
      input: `${word}\n`,
    })
    await next.saw(new RegExp(`got ${word}`))
    next.child.kill('SIGINT')
    await next.ended
  }
  t.notMatch(run.stdout(), /^open +\| over/m, 'it can be typed again')
  t.match(await podfs(t, of('attach', '-i', 'within', '-c', 'closed')), {
    code: 1,
    stderr:
      'error: container closed reads from /dev/null: nothing can be typed\n  stdin: true in its manifest\n',
  })
  const attach = async (argv: readonly string[]): Promise<void> => {
    const terminal = await startOnTerminal(t, argv)
    await terminal.saw(/try pressing enter/)
    terminal.type('\n')
    await terminal.saw(/# /)
    terminal.type('echo si""ze $(stty size) $(tty) $TERM\n')
    await terminal.saw(/size 40 120 \/dev\/pts\/0 xterm\r\n/)
    const seconds = `43219.${process.pid}${argv.length}`
    await interruptSleep(terminal, seconds)
  }
  await attach([
    process.execPath,
    program,
    ...of('attach', '-it', 'within', '-c', 'shell'),
  ])
  if (capability('kubectl') === false)
    await attach([
      'kubectl',
      '--server',
      await tcpTo(t, socket),
      'attach',
      '-it',
      'within',
      '-c',
      'shell',
    ])
  t.match(await podfs(t, of('logs', 'within', '-c', 'shell')), {
    stdout: /after 130\r\n/,
  })
  const last = await startOnTerminal(t, [
    process.execPath,
    program,
    ...of('attach', '-it', 'within', '-c', 'shell'),
  ])
  await last.saw(/try pressing enter/)
  last.type('exit 3\n')
  t.equal(await last.exited, 0, 'attach ends with its container')
  await run.saw(/container shell ended \(exit code 3\)/, 'stderr')
  run.child.kill('SIGINT')
  await run.ended
  t.notMatch(run.stdout(), /sigprocmask/)
})

t.test('podfs cp, and kubectl’s', async t => {
  const { dir, run, of, socket } = await running(
    t,
    `
  - {name: c, image: debian, command: [sh, -c, 'mkdir /var/place; echo ready; exec sleep 1000']}`,
  )
  const here = path.join(dir, 'here')
  mkdirSync(path.join(here, 'sub'), { recursive: true })
  writeFileSync(path.join(here, 'a file'), 'content\n', { mode: 0o640 })
  writeFileSync(path.join(here, 'sub', 'big'), Buffer.alloc(3_000_000, 'x'))
  symlinkSync('/etc/passwd', path.join(here, 'link'))
  const cp = (...args: readonly string[]) => podfs(t, of('cp', ...args))
  const said = async (...command: readonly string[]): Promise<string> =>
    (await podfs(t, of('exec', 'within', '--', ...command))).stdout

  t.match(await cp(here, 'within:/var/place'), { code: 0, stderr: '' })
  t.equal(
    await said('sh', '-c', 'cd /var/place/here; find . | sort; cat "a file"'),
    './a file\n./link\n./sub\n./sub/big\n.\n'
      .split('\n')
      .toSorted()
      .filter(line => line !== '')
      .map(line => `${line}\n`)
      .join('') + 'content\n',
    'into a directory that is there',
  )
  t.match(await cp(`${here}/a file`, 'default/within:/var/place/other'), {
    code: 0,
  })
  t.equal(await said('cat', '/var/place/other'), 'content\n', 'as another name')
  t.match(await cp('within:/var/place/here', `${dir}/back`), {
    code: 0,
    stderr: /^warning: skipping symlink: .*link.* -> "\/etc\/passwd"\n$/,
  })
  t.equal(readFileSync(`${dir}/back/a file`, 'utf8'), 'content\n')
  t.equal(statSync(`${dir}/back/sub/big`).size, 3_000_000)
  t.equal(lstatSync(`${dir}/back/link`, { throwIfNoEntry: false }), undefined)
  t.match(await cp('within:/var/place/other', `${dir}/back`), { code: 0 })
  t.ok(existsSync(`${dir}/back/other`))
  t.match(await cp('within:/no/such', `${dir}/none`), {
    code: 1,
    stderr: /no\/?.*(No such file|Cannot open)[^]*exit code 2\n$/,
  })
  t.match(await cp(`${dir}/missing`, 'within:/var/place'), {
    code: 1,
    stderr: /doesn't exist in local filesystem/,
  })
  t.match(await cp('here', 'there'), { code: 2 })
  if (capability('kubectl') === false) {
    const server = await tcpTo(t, socket)
    t.match(
      await kubectl(server, ['cp', `${here}/sub`, 'within:/var/place/kubectl']),
      { code: 0 },
    )
    t.equal(
      await said('stat', '-c', '%s', '/var/place/kubectl/big'),
      '3000000\n',
    )
  }
  run.child.kill('SIGINT')
  await run.ended
})

t.test('podfs port-forward', async t => {
  const server = createServer({ allowHalfOpen: true }, socket => {
    let all = ''
    socket.on('data', (chunk: Buffer) => (all += chunk.toString()))
    socket.on('end', () => socket.end(`echo ${all}`))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const { run, of } = await running(
    t,
    `
  - {name: c, image: debian, command: [sh, -c, 'echo ready; exec sleep 1000'], ports: [{name: http, containerPort: ${port}}]}`,
  )
  const nobody = await freePort()
  const forward = startPodfs(
    t,
    of('port-forward', 'within', ':http', `${nobody}`),
  )
  const [, local] = await forward.saw(
    new RegExp(`Forwarding from 127.0.0.1:(\\d+) -> ${port}\n`),
  )
  await forward.saw(new RegExp(`127.0.0.1:${nobody} -> ${nobody}\n`))
  const asked = async (to: number, sent: string): Promise<string> => {
    const socket = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true })
    socket.end(sent)
    return await text(socket)
  }
  const many = 'x'.repeat(2_000_000)
  t.equal(await asked(Number(local), 'hello'), 'echo hello')
  t.strictSame(
    await Promise.all([
      asked(Number(local), many),
      asked(Number(local), 'other'),
    ]),
    [`echo ${many}`, 'echo other'],
  )
  await forward.saw(new RegExp(`Handling connection for ${local}`))
  server.close()
  t.match(await podfs(t, of('port-forward', 'within', ':nothing')), {
    code: 2,
    stderr: /no port, nor the name of one: :nothing/,
  })
  forward.child.kill('SIGINT')
  t.equal((await forward.ended).code, 130)
  const refused = startPodfs(t, of('port-forward', 'within', `:${nobody}`))
  const [, other] = await refused.saw(/127.0.0.1:(\d+) ->/)
  t.equal(await asked(Number(other), 'hello'), '')
  await refused.saw(
    /error forwarding port \d+ to pod within: .*ECONNREFUSED/,
    'stderr',
  )
  refused.child.kill('SIGINT')
  await refused.ended
  run.child.kill('SIGINT')
  await run.ended
})
