import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import type { HTTPGetAction } from '../../src/api/types.ts'
import { runHook } from '../../src/runner/lifecycle/run-hook.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { host, http, https, listen, says } from '../helpers/loopback-server.ts'
import { endlessHook } from '../helpers/fake-runtime.ts'
import { makeContainer } from '../helpers/make-objects.ts'
import { createServer } from 'node:net'

const never = new AbortController().signal

function run(
  port: number | string,
  action: Partial<HTTPGetAction> = {},
  abort = never,
) {
  const httpGet = { path: '/', scheme: 'HTTP', ...action, port } as const
  const container = makeContainer({
    ports: [{ name: 'web', containerPort: 1, protocol: 'TCP' }],
  })
  const target = { container, podIP: host, exec: endlessHook }
  return runHook({ httpGet }, target, new FakeClock(), abort)
}

/** What it is asked, a line each. */
function noting(status: (request: IncomingMessage) => number) {
  const asked: string[] = []
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const { method, url, headers } = request
    asked.push(
      `${method} ${url} ${headers['user-agent']} ${headers.authorization ?? ''}`,
    )
    response.writeHead(status(request)).end('whatever')
  }
  return { asked, answer }
}

t.test('C197 C199: any answer will do, whatever its status', async t => {
  const { asked, answer } = noting(({ url }) => Number(url?.slice(1)))
  const port = await http(t, answer)
  for (const status of [200, 304, 404, 500])
    t.same(await run(port, { path: `/${status}` }), { outcome: 'succeeded' })
  t.same(
    asked,
    [200, 304, 404, 500].map(status => `GET /${status} kube-lifecycle/1.34 `),
  )
})

t.test('C198 C200: https, whatever the certificate', async t => {
  const { asked, answer } = noting(() => 200)
  const port = await https(t, answer)
  t.same(await run(port, { scheme: 'HTTPS' }), { outcome: 'succeeded' })
  t.equal(asked.length, 1)
})

t.test(
  'a server that speaks HTTP only is asked so, without secrets',
  async t => {
    const { asked, answer } = noting(() => 200)
    const port = await http(t, answer)
    const httpHeaders = [{ name: 'Authorization', value: 'Bearer canary' }]
    t.same(await run(port, { scheme: 'HTTPS', httpHeaders }), {
      outcome: 'succeeded',
      fallback: `${host}:${port}`,
    })
    t.same(asked, ['GET / kube-lifecycle/1.34 '])
  },
)

t.test('redirects are followed, secrets not to others', async t => {
  const { asked, answer } = noting(() => 200)
  const last = await http(t, answer)
  let rounds = 0
  const port = await http(t, ({ url, headers }, response) => {
    asked.push(`${url} ${headers.authorization}`)
    const location =
      url === '/for-ever'
        ? '/for-ever'
        : url === '/'
          ? '/again'
          : `http://localhost:${last}/there`
    rounds++
    response.writeHead(302, { location }).end()
  })
  const httpHeaders = [{ name: 'authorization', value: 'canary' }]
  t.same(await run(port, { httpHeaders }), { outcome: 'succeeded' })
  t.same(asked, [
    '/ canary',
    '/again canary',
    'GET /there kube-lifecycle/1.34 ',
  ])
  rounds = 0
  t.same(await run(port, { path: '/for-ever' }), {
    outcome: 'failed',
    message: 'stopped after 10 redirects',
  })
  t.equal(rounds, 11)
})

t.test('nobody answers', async t => {
  const port = await says(t, 'what?\n')
  t.match(await run(port), { outcome: 'failed', message: /malformed HTTP/ })
  t.match(await run('web'), {
    outcome: 'failed',
    message:
      /^Get "http:\/\/127\.0\.0\.1:1\/": dial tcp 127\.0\.0\.1:1: connect: connection refused$/,
  })
  t.match(await run('nope'), { outcome: 'failed', message: /invalid syntax/ })
  const breaksOff = await says(
    t,
    'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx',
  )
  t.same(await run(breaksOff), { outcome: 'succeeded' }, 'but this one did')
})

t.test('C206: the end of the grace period abandons it', async t => {
  const abort = new AbortController()
  const port = await listen(
    t,
    createServer(() => abort.abort()),
  )
  t.same(await run(port, {}, abort.signal), { outcome: 'abandoned' })
})
