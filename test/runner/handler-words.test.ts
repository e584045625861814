import { createServer } from 'node:net'
import t from 'tap'
import {
  dialError,
  joinHostPort,
} from '../../src/runner/lifecycle/dial-error.ts'
import { handlerPort } from '../../src/runner/lifecycle/handler-port.ts'
import {
  firstRequest,
  headersOf,
  isNotTls,
  redirected,
} from '../../src/runner/lifecycle/http-get.ts'
import { requestTarget } from '../../src/runner/lifecycle/request-target.ts'
import {
  oneAtATime,
  probeExec,
} from '../../src/runner/lifecycle/probes/exec-probe.ts'
import { runProbe } from '../../src/runner/lifecycle/probes/run-probe.ts'
import type { HandlerTarget } from '../../src/runner/lifecycle/handler-target.ts'
import { probeTcp } from '../../src/runner/lifecycle/probes/tcp-probe.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { host, http, listen } from '../helpers/loopback-server.ts'
import { makeContainer, makeProbe } from '../helpers/make-objects.ts'

/* What hooks and probes decide and say before anything is sent, and after. */

t.test('why no connection was made, as Go says it', async t => {
  const thrown = (fields: object) => Object.assign(new Error('x'), fields)
  const connect = (code: string, address = '192.0.2.1') =>
    thrown({ code, address, syscall: 'connect' })
  const rows = [
    [connect('EACCES'), 'dial tcp 192.0.2.1:80: connect: permission denied'],
    [
      connect('EADDRNOTAVAIL'),
      'dial tcp 192.0.2.1:80: connect: cannot assign requested address',
    ],
    [
      connect('ECONNREFUSED', '::1'),
      'dial tcp [::1]:80: connect: connection refused',
    ],
    [
      connect('ECONNRESET'),
      'dial tcp 192.0.2.1:80: connect: connection reset by peer',
    ],
    [
      connect('EHOSTUNREACH'),
      'dial tcp 192.0.2.1:80: connect: no route to host',
    ],
    [
      connect('ENETUNREACH'),
      'dial tcp 192.0.2.1:80: connect: network is unreachable',
    ],
    [
      connect('ETIMEDOUT'),
      'dial tcp 192.0.2.1:80: connect: connection timed out',
    ],
    [connect('EODD'), 'dial tcp 192.0.2.1:80: connect: EODD'],
    [
      thrown({ code: 'ECONNREFUSED', syscall: 'connect' }),
      'dial tcp name:80: connect: connection refused',
    ],
    [
      new AggregateError([connect('EACCES'), connect('ETIMEDOUT')]),
      'dial tcp 192.0.2.1:80: connect: permission denied',
    ],
    [
      thrown({ code: 'ENOTFOUND', syscall: 'getaddrinfo' }),
      'dial tcp: lookup name: no such host',
    ],
    [
      thrown({ code: 'EAI_AGAIN', syscall: 'getaddrinfo' }),
      'dial tcp: lookup name: EAI_AGAIN',
    ],
    [thrown({ code: 'ECONNRESET', syscall: 'read' }), undefined],
  ] as const
  for (const [error, words] of rows)
    t.equal(dialError('name', 80, error), words)
  t.equal(joinHostPort('fe80::1', 8080), '[fe80::1]:8080')
})

t.test('a path as a request has it (net/url)', async t => {
  const rows = [
    ['/a%2Fb', '/a%2Fb'],
    ['/a%2', '/a%252'],
    ['/%zz[?x]', '/%25zz%5B%3Fx%5D'],
    ['/%AB', '/%AB'],
    ['/[a]?b[]=?c', '/[a]?b[]=?c'],
    ['?a', '/?a'],
    ['#a', '/'],
    ['/a#b?c', '/a'],
    ["/-_.~!$&'()*+,/:;=@", "/-_.~!$&'()*+,/:;=@"],
    ['/\u20ac😀', '/%E2%82%AC%F0%9F%98%80'],
    ['/a\x7f', '/a%7F'],
    ['/a\x00', '/a%00'],
  ] as const
  for (const [path, target] of rows) t.equal(requestTarget(path), target, path)
})

t.test('4.2: ports at their limits', async t => {
  const container = makeContainer({
    ports: [
      { name: 'a', containerPort: 1, protocol: 'TCP' },
      { name: 'b', containerPort: 2, protocol: 'TCP' },
    ],
  })
  const rows = [
    [65_535, 65_535],
    [65_536, 'invalid port number: 65536'],
    [0, 'invalid port number: 0'],
    ['b', 2],
    ['+80', 80],
    ['-1', 'invalid port number: -1'],
    ['8x', 'strconv.Atoi: parsing "8x": invalid syntax'],
    ['x8', 'strconv.Atoi: parsing "x8": invalid syntax'],
  ] as const
  for (const [port, expected] of rows)
    t.equal(handlerPort(port, container), expected)
})

const get = { host: '::1', port: 8080, path: 'x', scheme: 'HTTPS' } as const

t.test('the first request, and where an answer sends on to', async t => {
  t.strictSame(firstRequest(get), {
    url: 'https://[::1]:8080/x',
    isTls: true,
    host: '::1',
    port: 8080,
    target: '/x',
  })
  const plain = firstRequest({ ...get, scheme: 'HTTP' })
  t.match(plain, { url: 'http://[::1]:8080/x', isTls: false })

  const to = (location: string | undefined, status = 302) =>
    redirected(plain, { status, location, body: '' })
  for (const status of [301, 302, 303, 307, 308])
    t.match(to('/y', status), { target: '/y' }, `${status}`)
  for (const status of [200, 300, 304, 305, 306, 309, 400])
    t.equal(to('/y', status), undefined, `${status}`)
  t.equal(to(undefined), undefined)
  const rows = [
    ['y?a=b#c', 'http://[::1]:8080/y?a=b', false, '::1', 8080, '/y?a=b'],
    ['//other', 'http://other/', false, 'other', 80, '/'],
    ['https://other/a', 'https://other/a', true, 'other', 443, '/a'],
    ['https://other:1/', 'https://other:1/', true, 'other', 1, '/'],
    ['http://[fe80::1]/', 'http://[fe80::1]/', false, 'fe80::1', 80, '/'],
  ] as const
  for (const [location, url, isTls, host, port, target] of rows)
    t.strictSame(to(location), { url, isTls, host, port, target }, location)
  t.equal(
    to('http://['),
    'Get "http://[::1]:8080/x": failed to parse Location header "http://["',
  )
  t.equal(to('ftp://x/'), 'Get "ftp://x/": unsupported protocol scheme "ftp"')
})

t.test('4.2: the headers of a kubelet, and those of the manifest', async t => {
  const sent = (
    httpHeaders: readonly { name?: string; value?: string }[] | undefined,
    what: 'probe' | 'lifecycle' = 'probe',
  ) =>
    Object.fromEntries(
      headersOf({ ...get, ...(httpHeaders && { httpHeaders }) }, what),
    )
  const defaults = {
    'User-Agent': 'kube-probe/1.34',
    Accept: '*/*',
    Host: '[::1]:8080',
  }
  t.strictSame(sent(undefined), defaults)
  t.strictSame(sent(undefined, 'lifecycle'), {
    ...defaults,
    'User-Agent': 'kube-lifecycle/1.34',
  })
  t.strictSame(
    sent([
      { name: 'x-a', value: '1' },
      { name: 'X-A', value: '2' },
      { name: 'x-empty' },
      { name: 'TRAILER', value: 'x' },
      { name: 'transfer-encoding', value: 'x' },
      { name: 'content-length', value: '1' },
    ]),
    { 'X-A': '1, 2', 'X-Empty': '', ...defaults },
  )
  t.strictSame(
    sent([{ name: 'user-agent' }, { name: 'accept' }, { name: 'host' }]),
    {},
    'empty ones are not sent',
  )
  const notTls = 'http: server gave HTTP response to HTTPS client'
  t.equal(isNotTls({ error: `Get "x": ${notTls}`, isBody: false }), true)
  t.equal(isNotTls({ error: `${notTls}: x`, isBody: false }), false)
})

type Exec = HandlerTarget['exec']
const never: Exec = () => new Promise(() => {})
const on = new AbortController().signal

t.test('exec: what a command says', async t => {
  const probe = (exec: Exec, abort = on) =>
    probeExec(['a', 'b c'], exec, 2000, abort)
  t.same(await probe(async () => ({ exitCode: 0, output: 'x' })), {
    outcome: 'success',
  })
  t.same(await probe(async () => ({ exitCode: 1, output: 'x\n' })), {
    outcome: 'failure',
    output: 'x\n',
  })
  const notStarted: Exec = async () => ({
    exitCode: 0,
    output: 'no program',
    notStarted: true,
  })
  const unknown = { outcome: 'error', state: 'unknown' }
  t.same(await probe(notStarted), { ...unknown, message: 'no program' })
  for (const error of [new Error('gone'), 'gone'])
    t.same(
      await probe(async () => {
        throw error
      }),
      { ...unknown, message: 'gone' },
    )
  const late = {
    outcome: 'failure',
    output: 'command timed out: "a b c" timed out after 2s',
  }
  const abort = new AbortController()
  const waits = probe(never, abort.signal)
  abort.abort()
  t.same(await waits, late, 'nobody waits for what the kernel keeps')
  t.same(
    await probe(async () => ({ exitCode: 0, output: '' }), abort.signal),
    late,
    'what ends after that has not succeeded',
  )
})

t.test('exec: one at a time', async t => {
  let end = (): void => {}
  let started = 0
  const exec = oneAtATime(() => {
    started += 1
    return new Promise((resolve, reject) => {
      end = () =>
        started === 2
          ? reject(new Error('gone'))
          : resolve({ exitCode: started, output: '' })
    })
  })
  const first = exec([], on)
  void exec([], on)
  t.equal(started, 1)
  end()
  t.match(await first, { exitCode: 1 })
  const second = exec([], on)
  t.equal(started, 2)
  end()
  await t.rejects(second, { message: 'gone' })
  void exec([], on)
  t.equal(started, 3, 'also after one that failed')
})

t.test('a look is tried three times, and stopped', async t => {
  const clock = new FakeClock()
  const seen: string[][] = []
  const target = (exec: Exec): HandlerTarget => ({
    podIP: '127.0.0.1',
    exec,
    container: makeContainer({
      env: [
        { name: 'A', value: 'a' },
        { name: 'B', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      ],
    }),
  })
  const failing: Exec = async argv => {
    seen.push([...argv])
    throw new Error('not now')
  }
  const exec = { command: ['x', '$(A)$(B)', '$(C)'] }
  const probe = makeProbe({ exec, timeoutSeconds: 2 })
  const unknown = { outcome: 'error', state: 'unknown' }
  t.same(await runProbe(probe, target(failing), clock, on), {
    ...unknown,
    message: 'not now',
  })
  const words = ['x', 'a', '$(C)']
  t.strictSame(seen, [words, words, words])
  t.equal(clock.pending, 0)

  const stop = new AbortController()
  const stopping: Exec = argv => {
    stop.abort()
    return failing(argv, on)
  }
  seen.length = 0
  t.match(await runProbe(probe, target(stopping), clock, stop.signal), {
    outcome: /error|failure/,
  })
  t.equal(seen.length, 1, 'not again after the end')
  t.match(await runProbe(probe, target(never), clock, stop.signal), {
    outcome: 'failure',
  })

  const waits = runProbe(probe, target(never), clock, on)
  await clock.advance(1999)
  await clock.advance(1)
  t.same(await waits, {
    outcome: 'failure',
    output: 'command timed out: "x a $(C)" timed out after 2s',
  })

  t.same(await runProbe(makeProbe(), target(never), clock, on), {
    ...unknown,
    message: 'missing probe handler for main',
  })
  const tcpSocket = { port: 'none' }
  t.same(await runProbe(makeProbe({ tcpSocket }), target(never), clock, on), {
    ...unknown,
    message: 'strconv.Atoi: parsing "none": invalid syntax',
  })
})

t.test('a look by TCP and by HTTP, at the address of the Pod', async t => {
  const gone = createServer()
  const closed = await listen(t, gone)
  await new Promise(resolve => gone.close(resolve))
  const port = await http(t, (request, response) => {
    response.statusCode = request.url === '/ok' ? 200 : 500
    response.end()
  })
  const at = (podIP: string): HandlerTarget => ({
    podIP,
    exec: never,
    container: makeContainer({
      ports: [{ name: 'web', containerPort: port, protocol: 'TCP' }],
    }),
  })
  const look = (probe: object, podIP = host) =>
    runProbe(makeProbe(probe), at(podIP), new FakeClock(), on)
  const success = { outcome: 'success' }
  const refused = {
    outcome: 'failure',
    output: `dial tcp ${host}:${closed}: connect: connection refused`,
  }
  t.same(await look({ tcpSocket: { port: 'web' } }), success)
  t.same(await look({ tcpSocket: { port, host } }, '192.0.2.1'), success)
  t.same(await look({ tcpSocket: { port: closed } }), refused)
  const httpGet = { port: 'web', path: '/ok', scheme: 'HTTP' }
  t.same(await look({ httpGet }), success)
  t.same(await look({ httpGet: { ...httpGet, host } }, '192.0.2.1'), success)
  t.match(await look({ httpGet: { ...httpGet, path: '/no' } }), {
    output: 'HTTP probe failed with statuscode: 500',
  })
  const late = new AbortController()
  const waits = probeTcp(host, port, late.signal)
  late.abort()
  t.same(await waits, {
    outcome: 'failure',
    output: `dial tcp ${host}:${port}: i/o timeout`,
  })
})
