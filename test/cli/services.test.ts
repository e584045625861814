/*
 * Services and their names with real programs: busybox's nslookup and wget, glibc's resolver, and
 * a `podfs serve` that is killed while a Service is in use.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import path from 'node:path'
import t from 'tap'
import { cannotStart, needsRoot } from '../helpers/capability.ts'
import {
  eventually,
  isRunning,
  podfs,
  startPodfs,
  runtimeDirectory,
} from '../helpers/podfs.ts'
import { end, pod, world } from '../helpers/served-world.ts'

t.setTimeout(300_000)
const skip = cannotStart() || needsRoot('port')

const service = (name: string, spec: string): string => `---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {${spec}}
`

/** Says `text` by HTTP at its own address; ready when \`ready\` says so. */
const web = (text: string, more = ''): string => `---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}, annotations: {podfs.io/run: "true"}}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  containers:
  - name: c
    image: debian
    command: [sh, -c, ${JSON.stringify(`mkdir /www; echo ${text} >/www/index.html; exec busybox httpd -f -p $IP:8080 -h /www`)}]
    env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    ports: [{name: http, containerPort: 8080}]
    ${more}
`

const statefulSet = `---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 0
      automountServiceAccountToken: false
      containers: [{name: c, image: debian, command: [sleep, '1000']}]
`

/** It asks, and ends podfs's run with what it has found. */
const client = (script: string, wait: string): string => `---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  initContainers:
  - {name: wait, image: busybox, command: [sh, -c, ${JSON.stringify(wait)}]}
  containers:
  - {name: c, image: debian, command: [sh, -c, ${JSON.stringify(script)}]}
`

t.test('C127: names, variables and ports of Services', { skip }, async t => {
  const script = `cat /etc/resolv.conf; env | sort | grep ^WEB_SERVICE
for name in web web.default web.default.svc.cluster.local ext; do getent hosts $name | sed 's/ .*//'; done
test "$(getent hosts db)" && getent ahostsv4 db-0.db | grep -c db-0.db
until busybox wget -qO- http://web/; do sleep 0.1; done
busybox wget -qO- http://$WEB_SERVICE_HOST:$WEB_SERVICE_PORT/
echo done; sleep 1000`
  // As the documentation of init containers has it.
  const wait =
    'until nslookup web.$(cat /var/run/secrets/kubernetes.io/serviceaccount/namespace).svc.cluster.local; do echo waiting for web; sleep 2; done'
  const file = path.join(
    t.testdir({
      'all.yaml': [
        service(
          'web',
          'selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]',
        ),
        service('db', 'clusterIP: None, selector: {app: db}'),
        service(
          'ext',
          'type: ExternalName, externalName: web.default.svc.cluster.local',
        ),
        web('hello'),
        statefulSet,
        client(script, wait),
      ].join(''),
    }),
    'all.yaml',
  )
  const run = startPodfs(t, ['run', '-f', file, '--all'])
  await run.saw(/^client\/c +\| done$/m)
  const lines = run
    .stdout()
    .split('\n')
    .flatMap(line => /^client\/c +\| (.*)$/.exec(line)?.[1] ?? [])
  const ip = /WEB_SERVICE_HOST=(127[.\d]+)/.exec(run.stdout())?.[1] ?? ''
  t.match(lines.slice(0, 3), [
    /^search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/,
    /^nameserver 127\./,
    'options ndots:5',
  ])
  t.strictSame(lines.slice(3), [
    `WEB_SERVICE_HOST=${ip}`,
    'WEB_SERVICE_PORT=80',
    'WEB_SERVICE_PORT_HTTP=80',
    ip,
    ip,
    ip,
    ip,
    '1',
    'hello',
    'hello',
    'done',
  ])
  run.child.kill('SIGTERM')
  await run.ended
  t.strictSame(proxiesOf(run.pid), [])
})

t.test('examples/guestbook', { skip }, async t => {
  const run = startPodfs(t, ['run', '-f', 'examples/guestbook', '--all'])
  const session = ['--session', `run-${run.pid}`]
  const ip = await eventually(async () => {
    const path = 'jsonpath={.spec.clusterIP}'
    const args = ['get', 'service', 'frontend', ...session, '-o', path]
    const { stdout } = await podfs(t, args)
    return stdout === '' ? undefined : stdout
  })
  await eventually(async () => (await ask(ip)) === 'nothing yet')
  await fetch(`http://${ip}/`, { method: 'POST', body: 'hello' })
  await eventually(async () => (await ask(ip)) === '- hello')
  t.match(run.stdout(), /^leader\/store +\| written: hello$/m)
  t.match(run.stdout(), /^follower\/store +\| copied: 1 lines$/m)
  run.child.kill('SIGTERM')
  // Node as the first process of a container takes no SIGTERM, for 30 s.
  await run.saw(/terminating/, 'stderr')
  run.child.kill('SIGTERM')
  await run.ended
})

t.test('dnsConfig of a Pod, and no Service', { skip }, async t => {
  const file = path.join(
    t.testdir({
      'pod.yaml': pod('p', '', {
        command: 'cat /etc/resolv.conf',
        more: 'restartPolicy: Never\n  dnsPolicy: None\n  dnsConfig: {nameservers: [10.9.9.9], searches: [a.example], options: [{name: ndots, value: "2"}]}',
      }),
    }),
    'pod.yaml',
  )
  const { stdout } = await podfs(t, ['run', '-f', file])
  t.equal(
    stdout,
    'c | search a.example\nc | nameserver 10.9.9.9\nc | options ndots:2\n',
  )
})

/** The Service proxies of the session of a podfs. */
function proxiesOf(pid: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter(each => {
      if (!(each > 0)) return false
      try {
        const words = readFileSync(`/proc/${each}/cmdline`, 'utf8').split('\0')
        return (
          words[1]?.endsWith('/service-proxy.cjs') === true &&
          words[2] === `${runtimeDirectory}/serve-${pid}`
        )
      } catch {
        return false
      }
    })
}

async function ask(ip: string): Promise<string> {
  return await new Promise(resolve => {
    get({ host: ip, port: 80, agent: false }, response => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve(text.trim()))
    }).on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
  })
}

t.test('podfs serve: Services outlive it', { skip }, async t => {
  const made = world(t)
  const { write } = made
  const ports = 'selector: {app: web}, ports: [{port: 80, targetPort: 8080}]'
  write('service.yaml', service('web', ports))
  write('web.yaml', web('one'))
  const first = await made.start()
  const session = ['--session', made.root]
  const field = async (jsonpath: string): Promise<string> =>
    (
      await podfs(t, [
        'get',
        'service',
        'web',
        ...session,
        '-o',
        `jsonpath=${jsonpath}`,
      ])
    ).stdout
  const ip = await eventually(async () => {
    const ip = await field('{.spec.clusterIP}')
    return ip === '' ? undefined : ip
  })
  await eventually(async () => (await ask(ip)) === 'one')
  t.match(
    (await podfs(t, ['describe', 'service', 'web', ...session])).stdout,
    /^Endpoints: +127\.[\d.]+:8080$/m,
  )
  const proxies = proxiesOf(first.pid)
  t.equal(proxies.length, 1)

  first.child.kill('SIGKILL')
  await first.ended
  t.equal(await ask(ip), 'one', 'nobody is there but the Pod and the proxy')
  const second = await made.start()
  t.equal(await ask(ip), 'one')
  await eventually(async () => (await field('{.spec.clusterIP}')) === ip)
  t.strictSame(proxiesOf(first.pid), proxies, 'it is the same one')

  write('web.yaml', web('two'))
  await eventually(async () => (await ask(ip)) === 'two')
  // Another one takes the place of one that is killed.
  process.kill(proxies[0] ?? 0, 'SIGKILL')
  await eventually(async () => {
    const now = proxiesOf(first.pid)
    return (
      now.length === 1 && now[0] !== proxies[0] && (await ask(ip)) === 'two'
    )
  })
  write(
    'web.yaml',
    web('three', 'readinessProbe: {exec: {command: ["false"]}}'),
  )
  await eventually(async () => (await ask(ip)) === 'ECONNREFUSED')
  const [last = 0] = proxiesOf(first.pid)
  await end(t, second)
  t.notOk(isRunning(last))
})
