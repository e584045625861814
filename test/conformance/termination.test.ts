import { rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { container, type Json } from '../helpers/conformance-pod.ts'
import { eventually, podfs } from '../helpers/podfs.ts'
import { podSaver, runPods, type SeenPod } from '../helpers/seen-pods.ts'

/*
 * How real containers end, in one run of several Pods: what they say at their end (C283 to C287),
 * and who is asked to end when (C211, C237 to C243). The rules that take long are in
 * test/runner/pod-runner.test.ts.
 */

const log = '/dev/termination-log'
const fallback = { terminationMessagePolicy: 'FallbackToLogsOnError' }
const numbers = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join('')

/** What each says, and what it is to be quoted with; undefined: with nothing. */
const messages: readonly (readonly [
  title: string,
  name: string,
  script: string,
  message: string | undefined,
  more?: Json,
])[] = [
  ['C283: its file', 'c283', `printf DONE >${log}`, 'DONE'],
  [
    'C284: at another path, as another user',
    'c284',
    'stat -c "mode %a" /dev/termination-custom-log; printf DONE >/dev/termination-custom-log',
    'DONE',
    {
      terminationMessagePath: '/dev/termination-custom-log',
      securityContext: { runAsUser: 10000 },
    },
  ],
  ['C285: its log', 'c285', 'printf DONE; exit 1', 'DONE', fallback],
  [
    'C286: which is for errors only',
    'c286',
    'printf DONE',
    undefined,
    fallback,
  ],
  [
    'C287: and not where there is a file',
    'c287',
    `printf DONE; printf OK >${log}; exit 0`,
    'OK',
    fallback,
  ],
  ['by default there is only the file', 'file', 'echo no; exit 1', undefined],
  // 12 KiB for ten containers; of the last 4 KiB of the file the beginning.
  [
    'all of a Pod have 12 KiB',
    'long',
    `{ seq 1000 2999 | tr -d '\\n'; } >${log}`,
    numbers(1976, 2999).replaceAll('\n', '').slice(0, 1228),
  ],
  [
    '80 lines of the log, of both streams',
    'lines',
    'seq 1 50; seq 51 100 >&2; exit 1',
    numbers(21, 100),
    fallback,
  ],
  [
    'nothing can be put in the place of the file',
    'hostile',
    `printf DONE >${log}; rm -f ${log}; ln -sf /etc/shadow ${log}; mv /etc/shadow ${log}; umount ${log}`,
    'DONE',
  ],
  [
    'a link, a FIFO and a device in a volume are not followed',
    'volume',
    'printf DONE >/data/log; rm -f /data/log; ln -s /etc/shadow /data/log',
    'DONE',
    {
      terminationMessagePath: '/data/log',
      volumeMounts: [{ name: 'data', mountPath: '/data' }],
    },
  ],
]

/** Says that it was asked to end, and goes on. */
const ignores = `trap 'echo asked' TERM; echo up; while :; do sleep 1000 & wait; done`
const obeys = `trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 1000 & wait; done`
const sidecar = (name: string, script: string, more: Json = {}): Json =>
  container(name, script, { restartPolicy: 'Always', ...more })
const untilTold = (pod: string): string =>
  `echo up; until [ -e /ctl/${pod} ]; do sleep 0.05; done`
const endless = { preStop: { exec: { command: ['sleep', '1000'] } } }
const failing = {
  exec: { command: ['false'] },
  periodSeconds: 1,
  failureThreshold: 1000,
}

t.test('termination', { skip: cannotStart() }, async t => {
  const directory = t.testdir({ in: {}, ctl: {} })
  const ctl = { name: 'ctl', hostPath: { path: `${directory}/ctl` } }
  const told = { volumeMounts: [{ name: 'ctl', mountPath: '/ctl' }] }
  const save = podSaver(`${directory}/in`)
  await save('messages', {
    containers: messages.map(([, name, script, , more]) =>
      container(name, script, more),
    ),
    volumes: [{ name: 'data', emptyDir: {} }],
  })
  await save('c237', {
    initContainers: ['one', 'two', 'three'].map(name =>
      sidecar(name, ignores, { lifecycle: endless }),
    ),
    containers: [container('main', untilTold('c237'), told)],
    volumes: [ctl],
  })
  await save('c243', {
    initContainers: [
      sidecar('one', obeys),
      sidecar('two', ignores),
      sidecar('three', obeys),
    ],
    containers: [container('main', untilTold('c243'), told)],
    volumes: [ctl],
  })
  await save('c242', {
    initContainers: [sidecar('one', ignores), sidecar('two', obeys)],
    containers: [container('main', ignores)],
  })
  await save('c240', {
    terminationGracePeriodSeconds: 1000,
    initContainers: [
      sidecar('one', obeys),
      sidecar('two', obeys, { startupProbe: failing }),
      sidecar('three', obeys),
    ],
    containers: [container('main', obeys)],
  })
  const stops =
    'echo stops >/proc/1/fd/1; until [ -e /ctl/c211 ]; do sleep 0.05; done'
  await save('c211', {
    terminationGracePeriodSeconds: 1000,
    containers: [
      container('main', obeys, {
        lifecycle: { preStop: { exec: { command: ['sh', '-c', stops] } } },
        ...told,
      }),
    ],
    volumes: [ctl],
  })
  const { run, over, history } = await runPods(t, `${directory}/in`)
  for (const [pod, name] of [
    ['c237', 'main'],
    ['c243', 'main'],
    ['c242', 'main'],
    ['c240', 'two'],
    ['c211', 'main'],
  ])
    await run.saw(new RegExp(`${pod}/${name} +\\| up$`, 'm'))
  const tell = (pod: string): void =>
    writeFileSync(`${directory}/ctl/${pod}`, '')
  for (const pod of ['c237', 'c243']) tell(pod)
  for (const pod of ['c242', 'c240', 'c211'])
    rmSync(`${directory}/in/${pod}.json`)

  await t.test('the last word', async t => {
    const { of } = await over('messages')
    for (const [title, name, , message] of messages)
      t.equal(of(name).state.terminated?.message, message, title)
    t.match(run.stdout(), /c284 +\| mode 666$/m, 'C284: for anybody to write')
  })
  const exits = ({ of }: SeenPod, ...names: string[]): (number | undefined)[] =>
    names.map(name => of(name).state.terminated?.exitCode)
  /** In which order they were asked to end. */
  const asked = (pod: string): string[] =>
    [...run.stdout().matchAll(/^(\S+)\/(\S+) +\| asked$/gm)]
      .filter(([, of]) => of === pod)
      .map(([, , name = '']) => name)

  await t.test('C211: the Pod is Running while preStop runs', async t => {
    await run.saw(/c211\/main +\| stops$/m)
    const last = history('c211').at(-1)
    t.equal(last?.phase, 'Running')
    t.match(last?.of('main'), { state: { running: {} }, ready: true })
    t.same(asked('c211'), [])
    tell('c211')
    t.same(exits(await over('c211'), 'main'), [0])
  })
  await t.test(
    'C237: with preStop hooks that do not end all sidecars go at once',
    async t => {
      const seen = await over('c237')
      t.equal(seen.phase, 'Succeeded')
      t.same(exits(seen, 'one', 'two', 'three'), [137, 137, 137])
      t.same(asked('c237').sort(), ['one', 'three', 'two'])
    },
  )
  await t.test(
    'C240: a sidecar that never started holds up nobody',
    async t => {
      const seen = await over('c240')
      t.equal(seen.phase, 'Failed')
      t.same(exits(seen, 'one', 'two'), [0, 0])
      t.same(asked('c240'), ['two', 'one'])
      for (const name of ['three', 'main'])
        t.equal(seen.of(name).state.waiting?.reason, 'PodInitializing')
    },
  )
  await t.test(
    'C242: a regular container that exceeds the grace period fails the Pod',
    async t => {
      const seen = await over('c242')
      t.equal(seen.phase, 'Failed')
      t.same(exits(seen, 'main', 'one', 'two'), [137, 137, 0])
      t.equal(seen.of('main').state.terminated?.reason, 'Error')
      t.equal(asked('c242')[0], 'main')
    },
  )
  await t.test('C243: a sidecar that does so does not', async t => {
    const seen = await over('c243')
    t.equal(seen.phase, 'Succeeded')
    t.same(exits(seen, 'main', 'one', 'two', 'three'), [0, 0, 137, 0])
  })
  await t.test('C291 C292: told to go, and then it has gone', async t => {
    const seen = history('c240')
    t.notOk(seen[0]?.isTerminating)
    const marked = seen.find(({ isTerminating }) => isTerminating)
    t.equal(marked?.phase, 'Pending', 'marked before anything else changes')
    t.match(marked?.of('one'), { state: { running: {} } })
    t.same(asked('c240'), ['two', 'one'], 'all that ran was asked')
    const names = async (): Promise<string> =>
      (
        await podfs(t, [
          'get',
          'pods',
          '-o',
          'name',
          '--session',
          `run-${run.pid}`,
        ])
      ).stdout
    await eventually(async () => !/c2(11|40|42)/.test(await names()))
    t.match(await names(), /pod\/stays/)
  })
})
