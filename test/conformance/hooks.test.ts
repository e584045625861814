import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import {
  container,
  object,
  writer,
  type Json,
} from '../helpers/conformance-pod.ts'
import { host, http, https } from '../helpers/loopback-server.ts'
import { eventually, podfs, startPodfs } from '../helpers/podfs.ts'

/*
 * Hooks of real containers that ask a server, which is one of this test, in one run. The rules that
 * take long are in test/runner/pod-runner.test.ts.
 */

const waits = 'while :; do sleep 1000 & wait; done'
const obeys = `trap 'exit 0' TERM; ${waits}`

t.test('hooks', { skip: cannotStart() }, async t => {
  const asked: string[] = []
  const answer: Parameters<typeof http>[1] = ({ url }, response) => {
    asked.push(url ?? '')
    response.writeHead(url?.includes('stop') === true ? 500 : 200).end()
  }
  const [plain, tls] = [await http(t, answer), await https(t, answer)]
  const get = (path: string, scheme: string): Json => ({
    httpGet: { host, path, scheme, port: scheme === 'HTTP' ? plain : tls },
  })
  const hooks = (name: string, scheme = 'HTTP'): Json => ({
    lifecycle: {
      postStart: get(`/${name}-start`, scheme),
      preStop: get(`/${name}-stop`, scheme),
    },
  })
  const say = (what: string): Json => ({
    exec: { command: ['sh', '-c', `echo ${what} >/proc/1/fd/1`] },
  })
  const always = { restartPolicy: 'Always' }
  const directory = t.testdir({})
  await writer(directory)(
    'pod.json',
    object.pod(
      { name: 'hooks' },
      {
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        os: { name: 'linux' },
        initContainers: [
          container('init', 'echo init'),
          container('side', obeys, { ...always, ...hooks('side') }),
          container('exec', obeys, {
            ...always,
            lifecycle: { postStart: say('began'), preStop: say('ends') },
          }),
        ],
        containers: [
          container('web', obeys, hooks('web')),
          container('tls', obeys, hooks('tls', 'HTTPS')),
          container('over', 'exit 0', {
            lifecycle: { preStop: get('/never', 'HTTP') },
          }),
          container(
            'usr1',
            `trap 'echo asked; exit 0' USR1; echo on; ${waits}`,
            {
              lifecycle: { stopSignal: 'SIGUSR1' },
            },
          ),
          // 37: the shell has no names for these.
          container('rt', `trap 'echo asked; exit 0' 37; echo on; ${waits}`, {
            lifecycle: { stopSignal: 'SIGRTMIN+3' },
          }),
          container('last', `echo up; ${obeys}`),
        ],
      },
    ),
  )
  const running = startPodfs(t, ['run', '-f', directory])
  await running.saw(/last +\| up/)
  t.same(
    asked,
    ['/side-start', '/web-start', '/tls-start'],
    'C197 C198 C203: postStart asks, each before the next container',
  )
  t.match(running.stdout(), /exec +\| began\n/, 'C201: of a sidecar, too')
  await running.saw(/usr1 +\| on/)
  await running.saw(/rt +\| on/)
  const see = async (jsonpath: string): Promise<string> => {
    const session = ['--session', String(running.pid)]
    const get = ['get', 'pods', 'hooks', '-o', `jsonpath=${jsonpath}`]
    return (await podfs(t, [...get, ...session])).stdout
  }
  const over = '{.status.containerStatuses[?(@.name=="over")].state}'
  await eventually(async () => /Completed/.test(await see(over)))
  t.equal(
    await see('{.status.containerStatuses[*].stopSignal}'),
    'SIGRTMIN+3 SIGUSR1',
    'C209: in the status, of those that have one',
  )
  asked.length = 0
  running.child.kill('SIGTERM')
  const { code, stderr } = await running.ended
  t.equal(code, 143)
  t.same(
    asked.sort(),
    ['/side-stop', '/tls-stop', '/web-stop'],
    'C199 C200 C204 C210: preStop asks, and any answer will do; C207: not for what has ended',
  )
  t.match(running.stdout(), /exec +\| ends\n/, 'C202: of a sidecar, too')
  for (const name of ['usr1', 'rt'])
    t.match(
      running.stdout(),
      new RegExp(`${name} +\\| asked\n`),
      'C209: stopSignal takes the place of TERM',
    )
  t.notMatch(stderr, /hook failed/i)
  t.notMatch(stderr, /has no effect/, 'nothing of it is ignored')
})
