import { readFileSync, readlinkSync } from 'node:fs'
import { createConnection } from 'node:net'
import { once } from 'node:events'
import path from 'node:path'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { container, list, object, writer } from '../helpers/conformance-pod.ts'
import { freePort } from '../helpers/loopback-server.ts'
import { startPodfs } from '../helpers/podfs.ts'

/*
 * Whose processes, IPC and names a container sees (C338 to C342): four Pods in one run, whose
 * containers say what they see, and wait.
 */

const waits = `trap 'exit 0' TERM; while :; do sleep 0.1; done`
/** What the test can compare with its own. */
const namespaces =
  'echo in $(readlink /proc/self/ns/uts) $(readlink /proc/self/ns/ipc)'

/** `$$$$` is the shell's `$$`: a command's `$$` stands for `$`. */
const pods = (port: number, machines: number) => [
  object.pod(
    { name: 'isolated' },
    {
      containers: [
        container('one', `echo pid $$$$; ${namespaces}; ${waits}`),
        container(
          'two',
          `echo pid $$$$; ${namespaces}; [ -e /proc/${machines}/ns ] || echo alone; ${waits}`,
        ),
      ],
    },
  ),
  object.pod(
    { name: 'shared' },
    {
      shareProcessNamespace: true,
      containers: [
        container('one', `tail -f /dev/null & echo started $!; ${waits}`),
        container(
          'two',
          `until pid=$(pidof tail); do sleep 0.05; done; echo sees $pid
          tr '\\0' ' ' < /proc/1/cmdline | grep -o 'podfs-pause'
          orphan=$(sleep 0.1 > /dev/null & echo $!)
          while [ -e /proc/$orphan ]; do sleep 0.05; done; echo reaped
          child=$(cut -d ' ' -f 1 /proc/1/task/1/children); sleep 0.3; [ ! -e /proc/$child/fd ] || echo calm
          ls /proc/1/root/ > /dev/null 2>&1 || echo fenced
          ${waits}`,
        ),
        container('mighty', `echo has $(ls /proc/1/root/ | wc -l); ${waits}`, {
          securityContext: { privileged: true },
        }),
      ],
    },
  ),
  object.pod(
    { name: 'kills' },
    {
      shareProcessNamespace: true,
      containers: [container('all', `kill -9 -1; echo outlived; ${waits}`)],
    },
  ),
  object.pod(
    { name: 'machines' },
    {
      hostPID: true,
      hostIPC: true,
      hostNetwork: true,
      containers: [
        container('pid', `echo pid $$$$; ${namespaces}; ${waits}`),
        container(
          'port',
          `trap 'exit 0' TERM; while :; do echo answered | nc -l -p ${port} & wait; done`,
        ),
      ],
    },
  ),
]

t.test('whose namespaces', { skip: cannotStart() }, async t => {
  const dir = t.testdir()
  const port = await freePort()
  await writer(dir)('pods.json', list(pods(port, process.pid)))
  const run = startPodfs(t, ['run', '--all', '-f', path.join(dir, 'pods.json')])
  const says = async (who: string, what: string): Promise<string> => {
    const [, said = ''] = await run.saw(
      new RegExp(`^${who} +\\| ${what}$`, 'm'),
    )
    return said
  }
  const own = ['uts', 'ipc'].map(name => readlinkSync(`/proc/self/ns/${name}`))

  await t.test('C338: each container has a PID 1', async () => {
    await says('isolated/one', 'pid 1()')
    await says('isolated/two', 'pid 1()')
  })
  await t.test('UTS and IPC are the Pod’s', async t => {
    const one = await says('isolated/one', 'in (.*)')
    t.equal(one, await says('isolated/two', 'in (.*)'))
    const [uts, ipc] = one.split(' ')
    t.not(uts, own[0])
    t.not(ipc, own[1])
  })
  await t.test('C339: containers that share it see one another', async t => {
    const started = await says('shared/one', 'started (.*)')
    t.equal(await says('shared/two', 'sees (.*)'), started)
  })
  await t.test(
    'its PID 1 reaps, sleeps, is closed, and cannot be killed',
    async () => {
      await says('shared/two', '(podfs-pause)')
      await says('shared/two', '(reaped)')
      await says('shared/two', '(calm)')
      await says('shared/two', '(fenced)')
      await says('shared/mighty', 'has (1)')
      await says('kills/all', '(outlived)')
    },
  )
  await t.test('C340: hostPID: a pid is that of the machine', async t => {
    const pid = await says('machines/pid', 'pid (.*)')
    t.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), 'echo pid')
  })
  await t.test('hostIPC, hostNetwork: the machine’s', async t => {
    t.equal(await says('machines/pid', 'in (.*)'), own.join(' '))
  })
  await t.test('C341: without it, none of the machine is seen', async () => {
    await says('isolated/two', '(alone)')
  })
  await t.test('C342: hostNetwork: a port is the machine’s', async t => {
    t.equal(await answerOf(port), 'answered\n')
  })
  run.child.kill('SIGTERM')
  await run.ended
})

/** Of a server that may not listen yet. */
async function answerOf(port: number): Promise<string> {
  for (;;) {
    const socket = createConnection(port, '127.0.0.1').setEncoding('utf8')
    try {
      const [said] = (await once(socket, 'data')) as [string]
      socket.destroy()
      return said
    } catch {
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
}
