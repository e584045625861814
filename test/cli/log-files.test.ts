/*
 * `logStorage: files`: where they are, what is in them, and who reads them. What `podfs logs` does
 * with any log is in logs.test.ts.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import '../helpers/needs-mounts.ts'
import {
  eventually,
  podfs,
  startPodfs,
  runtimeDirectory,
  stateDirectory,
} from '../helpers/podfs.ts'
import { end, pod, world } from '../helpers/served-world.ts'

t.setTimeout(300_000)

const state = stateDirectory

/** A container that goes on when a file appears, and takes that away. */
const await_ = `trap exit TERM
await() { until [ -e /ctl/$1 ]; do sleep 0.02; done; rm /ctl/$1; }`

/** Of the only Pod of that name that has logs in files. */
function logDirectory(name: string): string | undefined {
  const found = namesIn(`${state}/pods`).filter(each =>
    each.startsWith(`default_${name}_`),
  )
  return found[0] && path.join(state, 'pods', found[0])
}

function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : []
}

function linksOf(name: string): string[] {
  return namesIn(`${state}/containers`).filter(each =>
    each.startsWith(`${name}_default_c-`),
  )
}

function served(t: Test, name: string, command: string) {
  const found = world(t)
  const control = path.join(found.dir, 'control')
  mkdirSync(control)
  found.configure(
    'logStorage: files\ncontainerLogMaxSize: 20k\ncontainerLogMaxFiles: 4',
  )
  found.write(
    `${name}.yaml`,
    pod(name, `{name: ctl, hostPath: {path: ${control}}}`, {
      run: 'true',
      mounts: '{name: ctl, mountPath: /ctl}',
      command: `${await_}\n${command}`,
    }),
  )
  const args = (...more: readonly string[]): string[] => [
    'logs',
    name,
    '--session',
    found.root,
    ...more,
  ]
  return {
    ...found,
    args,
    tell: (word: string): void => writeFileSync(path.join(control, word), ''),
    text: async (...more: readonly string[]): Promise<string> =>
      (await podfs(t, args(...more))).stdout,
  }
}

t.test(
  'logs are where a kubelet has them, and outlive podfs (C345, C350, C351)',
  async t => {
    // What another run of this file has left would be taken for this one's.
    const name = `logged-${process.pid}`
    const { args, tell, text, start, remove } = served(
      t,
      name,
      'echo Hello World; echo err >&2; await more; printf half; await end; exit 3',
    )
    const serving = await start()
    await eventually(async () => (await text()).split('\n').length === 3)
    const directory = logDirectory(name)
    if (directory === undefined) throw new Error('no directory')
    const lines = (run: number): readonly string[] =>
      readFileSync(`${directory}/c/${run}.log`, 'utf8').split('\n').slice(0, -1)
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /
    t.ok(lines(0).every(line => time.test(line)))
    t.strictSame(
      lines(0)
        .map(line => line.replace(time, ''))
        .toSorted(),
      ['stderr F err', 'stdout F Hello World'],
    )
    t.equal(statSync(`${directory}/c/0.log`).mode & 0o777, 0o600)
    for (const each of [state, directory, `${directory}/c`])
      t.equal(statSync(each).mode & 0o777, 0o700)
    const [link = ''] = linksOf(name)
    t.match(link, new RegExp(`^${name}_default_c-[0-9a-f]{64}\\.log$`))
    t.equal(readlinkSync(`${state}/containers/${link}`), `${directory}/c/0.log`)

    const following = startPodfs(t, args('-f'))
    await following.saw(/Hello World/)
    serving.child.kill('SIGKILL')
    await serving.ended.catch(() => undefined)
    tell('more')
    const next = await start()
    t.match((await text()).split('\n').toSorted(), ['', 'Hello World', 'err'])
    const again = startPodfs(t, args('-f', '--tail', '1'))
    await again.saw(/err|Hello World/)
    tell('end')
    t.match(await again.ended, { code: 0, stdout: /\nhalf\n$/ })
    await eventually(async () => (await text('-p')).endsWith('half\n'))
    await eventually(async () => (await text()).includes('Hello World'))
    t.notMatch(await text(), /half/)
    t.equal(lines(0).length, 3)
    t.equal(await text('-p', '--tail', '1', '--limit-bytes', '3'), 'hal')

    remove(`${name}.yaml`)
    await eventually(() => logDirectory(name) === undefined)
    t.strictSame(linksOf(name), [])
    await end(t, next)
  },
)

t.test('logs are put aside, and only so many kept (C352)', async t => {
  const name = `rotated-${process.pid}`
  const { args, tell, text, start } = served(
    t,
    name,
    `line=$(printf %01000d 0); i=0
until [ $i = 60 ]; do i=$((i+1)); echo "$i $line"; sleep 0.01; done
await flood
until [ $i = 500 ]; do i=$((i+1)); echo "$i $line"; done
await end`,
  )
  const serving = await start()
  await eventually(async () => (await text()).startsWith('1 '))
  const following = startPodfs(t, args('-f'))
  await following.saw(/^60 /m)
  const numbers = (from: string): number[] =>
    [...from.matchAll(/^(\d+) /gm)].map(([, number]) => Number(number))
  const count = (last: number): number[] =>
    Array.from({ length: last }, (_, i) => i + 1)
  t.strictSame(numbers(following.stdout()), count(60), 'across files')
  t.strictSame(numbers(await text()), count(60))
  following.child.kill('SIGINT')
  await following.ended
  tell('flood')
  await eventually(async () => (await text('--tail', '1')).startsWith('500 '))
  const directory = `${logDirectory(name)}/c`
  t.equal(readdirSync(directory).length, 4)
  for (const file of readdirSync(directory)) {
    t.match(file, /^0\.log(\.\d{8}-\d{6}-\d{6})?$/)
    t.ok(statSync(path.join(directory, file)).size <= 20_000, file)
  }
  const kept = numbers(await text())
  t.strictSame(kept, count(500).slice(-kept.length))
  t.ok(kept.length > 40)
  t.strictSame(numbers(await text('--tail', '30')), count(500).slice(-30))
  await end(t, serving)
})

t.test('podfs run keeps them for as long as it runs', async t => {
  const name = `run-${process.pid}`
  const dir = t.testdir({
    'pod.yaml': pod(name, '', { command: 'echo said; exec sleep 1000' }),
  })
  const start = () =>
    startPodfs(t, ['run', '-f', `${dir}/pod.yaml`], {
      env: { PODFS_LOG_STORAGE: 'files' },
    })
  const killed = start()
  await killed.saw(/said/)
  t.match(await podfs(t, ['logs', name, '--session', `run-${killed.pid}`]), {
    stdout: 'said\n',
  })
  killed.child.kill('SIGKILL')
  await killed.ended.catch(() => undefined)
  const left = logDirectory(name)
  t.type(left, 'string')
  const run = start()
  await run.saw(/said/)
  t.notOk(existsSync(String(left)), 'a killed one has left nothing for long')
  run.child.kill('SIGINT')
  await run.ended
  t.equal(logDirectory(name), undefined)
})

t.test('the log over a WebSocket (C344, C347)', async t => {
  const name = 'alive'
  const dir = t.testdir({
    'pod.yaml': pod(name, '', {
      command: 'echo container is alive; exec sleep 1000',
    })
      .replace(
        'annotations: {',
        'annotations: {kubectl.kubernetes.io/default-container: c',
      )
      .replace(
        '  containers:',
        '  containers:\n  - {name: first, image: debian, command: [sleep, "1000"]}',
      ),
  })
  const run = startPodfs(t, ['run', '-f', `${dir}/pod.yaml`])
  await run.saw(/alive/)
  const session = `run-${run.pid}`
  t.match(await podfs(t, ['logs', name, '--session', session]), {
    stdout: 'container is alive\n',
    stderr: '',
  })
  const webSocket = new WebSocket(
    `ws://podfs/api/v1/namespaces/default/pods/${name}/log?container=c`,
    'binary.k8s.io',
    {
      createConnection: () =>
        connect(`${runtimeDirectory}/${session}/api.sock`),
    },
  )
  let said = ''
  webSocket.on('message', (data: Buffer) => (said += data.toString()))
  await new Promise((resolve, reject) =>
    webSocket.on('close', resolve).on('error', reject),
  )
  t.equal(said, 'container is alive\n')
  run.child.kill('SIGINT')
  await run.ended
})
