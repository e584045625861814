/*
 * Programs and probes that make it hard for podfs, all at once in one `podfs serve`: what they do
 * is borne, the memory of podfs's processes stays bounded, and their end leaves nothing.
 */
import { existsSync, readdirSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { list, object, type Json } from '../helpers/conformance-pod.ts'
import { host, listen } from '../helpers/loopback-server.ts'
import '../helpers/needs-mounts.ts'
import { askSocket } from '../helpers/ask-socket.ts'
import { eventually, podfs, runtimeDirectory } from '../helpers/podfs.ts'
import { end, textOf, world } from '../helpers/served-world.ts'

t.setTimeout(240_000)

/** In the command lines of what a test may leave: nobody else sleeps so long. */
const seconds = String(400_000_000 + process.pid)
const hung = String(500_000_000 + process.pid)

/** Of podfs itself, at any moment; Node takes what it can get before it collects. */
const mostMiB = 256

interface SeenPod {
  readonly status: {
    readonly phase: string
    readonly containerStatuses: readonly {
      readonly name: string
      readonly ready: boolean
      readonly restartCount: number
      readonly state: Json
    }[]
  }
}

const sh = (name: string, script: string, more: Json = {}): Json => ({
  name,
  image: 'debian',
  command: ['sh', '-c', script],
  ...more,
})
const ready = (handler: Json, timeoutSeconds: number): Json => ({
  readinessProbe: { ...handler, periodSeconds: 1, timeoutSeconds },
})
const exec = (script: string): Json => ({
  exec: { command: ['sh', '-c', script] },
})
const pod = (
  name: string,
  containers: readonly Json[],
  more: Json = {},
): Json =>
  object.pod(
    { name, annotations: { 'podfs.io/run': 'true' } },
    {
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      containers,
      ...more,
    },
  )

/** How many processes of this machine have that word in their command line. */
function count(word: string): number {
  return readdirSync('/proc').filter(name =>
    /^\d+$/.test(name)
      ? textOf(`/proc/${name}/cmdline`)?.split('\0').includes(word)
      : false,
  ).length
}

/** The most memory that podfs and the processes of its session have had, in MiB. */
function highest(podfs: number, session: string): Map<string, number> {
  const found = new Map<string, number>()
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    const words = (textOf(`/proc/${pid}/cmdline`) ?? '').split('\0')
    const isOurs = Number(pid) === podfs || words.includes(session)
    const kib = /^VmHWM:\s+(\d+) kB/m.exec(textOf(`/proc/${pid}/status`) ?? '')
    if (isOurs && kib !== null)
      found.set(words.slice(1, 4).join(' '), Number(kib[1]) / 1024)
  }
  return found
}

/** It answers with headers, and does not come to their end. */
function endless(t: Test): Promise<number> {
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined)
    socket.write('HTTP/1.1 200 OK\r\n')
    const more = (): void => {
      while (!socket.destroyed && socket.write(`x: ${'y'.repeat(8000)}\r\n`));
      socket.once('drain', more)
    }
    more()
  })
  return listen(t, server)
}

t.test('hard programs, and hard probes', async t => {
  const port = await endless(t)
  const { root, start, write } = world(t)
  write(
    'pods.yaml',
    JSON.stringify(
      list([
        pod('stubborn', [
          sh(
            'c',
            `trap '' TERM; for i in $(seq 500); do setsid sleep ${seconds} & done; echo all; wait`,
          ),
        ]),
        pod('flood', [
          sh(
            'c',
            'yes a line of thirty bytes, or so | head -c 100000000; echo; echo the end; exec sleep 1000',
          ),
        ]),
        pod('mute', [sh('c', 'exec >&- 2>&-; exec sleep 1000')]),
        pod(
          'brief',
          Array.from({ length: 20 }, (_, i) => ({
            name: `c${i}`,
            image: 'debian',
            command: ['echo', `word ${i}`],
          })),
        ),
        pod('probed', [
          sh('hangs', 'sleep 1000', {
            ...ready(exec(`trap '' TERM; sleep ${hung}`), 1),
          }),
          sh('floods', 'sleep 1000', ready(exec('yes; exit 1'), 2)),
          sh('slow', 'sleep 1000', ready(exec('sleep 2.5'), 20)),
          sh('headers', 'sleep 1000', ready({ httpGet: { host, port } }, 10)),
        ]),
      ]),
    ),
  )
  const serving = await start()
  const session = `${runtimeDirectory}/serve-${serving.pid}`
  await eventually(() => existsSync(`${session}/api.sock`))
  const ask = (url: string): Promise<string> =>
    askSocket(`${session}/api.sock`, `/api/v1/namespaces/default/${url}`)
  const seen = async (name: string): Promise<SeenPod['status']> =>
    (JSON.parse(await ask(`pods/${name}`)) as SeenPod).status

  await t.test('one that ends within a millisecond', async t => {
    await eventually(async () => (await seen('brief')).phase === 'Succeeded')
    for (const i of Array.from({ length: 20 }).keys())
      t.equal(await ask(`pods/brief/log?container=c${i}`), `word ${i}\n`)
  })

  await t.test('one that writes 100 MB at once', async t => {
    await eventually(async () =>
      (await ask('pods/flood/log?tailLines=1')).includes('the end'),
    )
    const text = await ask('pods/flood/log')
    t.ok(text.length > 1_000_000 && text.length < 3_000_000, `${text.length}`)
  })

  await t.test('one that closes its outputs', async t => {
    const [status] = (await seen('mute')).containerStatuses
    t.match(status, { ready: true, restartCount: 0, state: { running: {} } })
    t.equal(await ask('pods/mute/log'), '')
  })

  await t.test('probes', async t => {
    const said = [
      /Readiness probe failed: command timed out: /,
      /Readiness probe failed: y\ny\ny\n|Readiness probe failed: command timed out: .*yes/,
      /Readiness probe failed: Get "http:.*": net\/http: server response headers exceeded 262144 bytes; aborted/,
    ]
    await eventually(async () => {
      const { items } = JSON.parse(await ask('events')) as {
        readonly items: readonly { readonly message: string }[]
      }
      const texts = items.map(({ message }) => message)
      return said.every(pattern => texts.some(text => pattern.test(text)))
    })
    await eventually(async () =>
      (await seen('probed')).containerStatuses.some(
        ({ name, ready }) => name === 'slow' && ready,
      ),
    )
    t.ok(count(hung) <= 2, 'they do not pile up')
    const statuses = (await seen('probed')).containerStatuses
    t.strictSame(
      statuses.map(each => [each.name, each.ready, each.restartCount]),
      [
        ['floods', false, 0],
        ['hangs', false, 0],
        ['headers', false, 0],
        ['slow', true, 0],
      ],
    )
  })

  await t.test('one that ignores TERM, and its 500 children', async t => {
    await eventually(async () => (await ask('pods/stubborn/log')) === 'all\n')
    await eventually(() => count(seconds) === 500)
    await podfs(t, ['delete', 'pod', 'stubborn', '--session', root])
    t.equal(count(seconds), 0)
  })

  const memory = highest(serving.pid, session)
  t.ok(memory.size > 6, 'podfs, keeper, file servers, shims')
  for (const [process, mib] of memory)
    t.ok(mib < mostMiB, `${process}: ${mib.toFixed(0)} MiB at most`)
  await end(t, serving)
  t.equal(count(hung), 0)
})
