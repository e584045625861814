import { createServer, type IncomingHttpHeaders } from 'node:http'
import { createServer as createTcpServer } from 'node:net'

import t from 'tap'

import type { HTTPGetAction } from '../../src/api/types.ts'
import { probeHttp } from '../../src/runner/lifecycle/probes/http-probe.ts'
import { requestTarget } from '../../src/runner/lifecycle/request-target.ts'
import { host, https, listen, says } from '../helpers/loopback-server.ts'

const never = new AbortController().signal

function look(
  port: number,
  action: Partial<HTTPGetAction> = {},
  abort = never,
) {
  const defaults = { path: '/', scheme: 'HTTP' } as const
  return probeHttp({ ...defaults, ...action, host, port }, abort)
}

t.test('C251 C254: the status decides', async t => {
  const port = await listen(
    t,
    createServer((request, response) => {
      response.statusCode = Number(request.url?.slice(1))
      response.end('secret')
    }),
  )
  for (const status of [200, 204, 299])
    t.same(await look(port, { path: `/${status}` }), { outcome: 'success' })
  for (const status of [400, 404, 500, 503])
    t.same(await look(port, { path: `/${status}` }), {
      outcome: 'failure',
      output: `HTTP probe failed with statuscode: ${status}`,
    })
  t.same(
    await look(port, { path: '/304' }),
    {
      outcome: 'warning',
      output: 'Probe terminated redirects, Response body: ',
    },
    'nowhere to go to',
  )
})

t.test('C260 C261: redirects', async t => {
  const seen: string[] = []
  const port = await listen(
    t,
    createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
      seen.push(`${pathname} ${request.headers.host}`)
      if (pathname === '/to') {
        const location = searchParams.get('loc') ?? ''
        response.writeHead(302, { location }).end('Found')
      } else {
        response.statusCode = pathname === '/ok' ? 200 : 500
        response.end()
      }
    }),
  )
  const to = (location: string, more: Partial<HTTPGetAction> = {}) =>
    look(port, { path: `/to?loc=${encodeURIComponent(location)}`, ...more })
  t.same(await to('/ok'), { outcome: 'success' })
  t.same(await to(`http://${host}:${port}/ok`), { outcome: 'success' })
  t.same(await to('/bad'), {
    outcome: 'failure',
    output: 'HTTP probe failed with statuscode: 500',
  })
  t.same(await to('http://0.0.0.0/'), {
    outcome: 'warning',
    output: 'Probe terminated redirects, Response body: Found',
  })
  t.same(
    await to('/to?loc=http://elsewhere/'),
    {
      outcome: 'warning',
      output: 'Probe terminated redirects, Response body: Found',
    },
    'not with the first step',
  )
  t.same(await to('/to'), {
    outcome: 'failure',
    output: 'Get "": stopped after 10 redirects',
  })
  t.match(await to('http://[/'), {
    outcome: 'failure',
    output: /^Get "http:.*": failed to parse Location header "http:\/\/\[\/"$/,
  })
  t.match(await to(`ftp://${host}/x`), {
    output: `Get "ftp://${host}/x": unsupported protocol scheme "ftp"`,
  })
  seen.length = 0
  const httpHeaders = [{ name: 'host', value: 'app.example' }]
  await to('/ok', { httpHeaders })
  t.same(seen, ['/to app.example', '/ok app.example'], 'Host goes along')
  seen.length = 0
  await to(`http://${host}:${port}/ok`, { httpHeaders })
  t.same(seen, ['/to app.example', `/ok ${host}:${port}`])
})

t.test('4.2: the headers', async t => {
  let headers: IncomingHttpHeaders = {}
  let raw: string[] = []
  const port = await listen(
    t,
    createServer((request, response) => {
      headers = request.headers
      raw = request.rawHeaders
      response.end()
    }),
  )
  await look(port)
  t.strictSame(headers, {
    'user-agent': 'kube-probe/1.34',
    accept: '*/*',
    host: `${host}:${port}`,
    connection: 'close',
  })
  await look(port, {
    httpHeaders: [
      { name: 'user-AGENT', value: 'me' },
      { name: 'accept', value: '' },
      { name: 'x-twice', value: 'a' },
      { name: 'X-Twice', value: 'b' },
      { name: 'content-length', value: '7' },
      { name: 'Host', value: 'app.example' },
    ],
  })
  t.strictSame(headers, {
    'user-agent': 'me',
    'x-twice': 'a, b',
    host: 'app.example',
    connection: 'close',
  })
  t.ok(raw.includes('X-Twice'), 'as Go writes them')
  t.match(await look(port, { httpHeaders: [{ name: 'a', value: 'ü\n' }] }), {
    outcome: 'failure',
    output: /^Get "http:.*": Invalid character in header content/,
  })
})

t.test('4.2: the path', async t => {
  for (const [path, expected] of [
    ['/', '/'],
    ['', '/'],
    ['healthz', '/healthz'],
    ['/a/../b', '/a/../b'],
    ['/a?b=c d#e', '/a?b=c%20d'],
    ['/ü "x"', '/%C3%BC%20%22x%22'],
    ['/a%20b', '/a%20b'],
    ['/100%?x', '/100%25%3Fx'],
    ['/a\nb', '/a%0Ab'],
  ] as const)
    t.equal(requestTarget(path), expected)
})

t.test('C198: https, whatever the certificate', async t => {
  const port = await https(t, (_, response) => response.end())
  t.same(await look(port, { scheme: 'HTTPS' }), { outcome: 'success' })
  const plain = await listen(
    t,
    createServer((_, response) => response.end()),
  )
  t.same(await look(plain, { scheme: 'HTTPS' }), {
    outcome: 'failure',
    output: `Get "https://${host}:${plain}/": http: server gave HTTP response to HTTPS client`,
  })
  t.match(await look(port), { outcome: 'failure' })
})

t.test('6.9: no answer', async t => {
  const gone = createTcpServer()
  const port = await listen(t, gone)
  await new Promise(resolve => gone.close(resolve))
  t.same(await look(port, { path: '/x' }), {
    outcome: 'failure',
    output: `Get "http://${host}:${port}/x": dial tcp ${host}:${port}: connect: connection refused`,
  })
  const silent = await says(t, '')
  t.same(await look(silent), {
    outcome: 'failure',
    output: `Get "http://${host}:${silent}/": EOF`,
  })
  const ssh = await says(t, 'SSH-2.0-OpenSSH\r\n')
  t.same(await look(ssh), {
    outcome: 'failure',
    output: `Get "http://${host}:${ssh}/": net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-OpenSSH"`,
  })
  t.match(
    await probeHttp(
      { host: 'nowhere.invalid', port: 1, path: '/', scheme: 'HTTP' },
      never,
    ),
    {
      outcome: 'failure',
      output: /^Get "http:.*": dial tcp: lookup nowhere.invalid: /,
    },
  )
})

t.test('whatever way a server has to answer', async t => {
  const success = { outcome: 'success' }
  const kept = await listen(
    t,
    createTcpServer(socket => {
      socket.on('error', () => undefined)
      socket.once('data', () => {
        const text = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell'
        const next = (at: number): void => {
          if (at < text.length)
            socket.write(text.charAt(at), () => next(at + 1))
        }
        next(0)
      })
    }),
  )
  t.same(await look(kept), success, 'byte by byte, and it does not hang up')
  const interim = await listen(
    t,
    createServer((_, response) => {
      response.writeProcessing()
      response.writeEarlyHints({ link: '</x>; rel=preload' }, () => {
        response.write('in ')
        response.end('chunks')
      })
    }),
  )
  t.same(await look(interim), success, 'with other answers before')
  const chunks = await https(t, (_, response) => {
    response.statusCode = 302
    response.write('in ')
    setImmediate(() => response.end('chunks'))
  })
  t.same(
    await look(chunks, { scheme: 'HTTPS' }),
    {
      outcome: 'warning',
      output: 'Probe terminated redirects, Response body: in chunks',
    },
    'in chunks, by TLS',
  )
  const old = await says(t, 'HTTP/1.0 302 Found\n\nto the end')
  t.same(await look(old), {
    outcome: 'warning',
    output: 'Probe terminated redirects, Response body: to the end',
  })
  const cut = await says(t, 'HTTP/1.1 200 OK\r\nA: b\r\n')
  t.same(await look(cut), {
    outcome: 'failure',
    output: `Get "http://${host}:${cut}/": net/http: HTTP/1.x transport connection broken: unexpected EOF`,
  })
  const reset = await listen(
    t,
    createTcpServer(socket => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.resetAndDestroy())
    }),
  )
  t.same(await look(reset), {
    outcome: 'failure',
    output: `Get "http://${host}:${reset}/": read tcp ${host}:${reset}: read: connection reset by peer`,
  })
})

t.test('a server that does not end', async t => {
  /** Fires as soon as the server was asked. */
  const asked = async (text: string) => {
    const abort = new AbortController()
    const port = await listen(
      t,
      createTcpServer(socket => {
        socket.on('error', () => undefined)
        socket.once('data', () => {
          socket.write(text, () => setImmediate(() => abort.abort()))
        })
      }),
    )
    return { port, outcome: await look(port, {}, abort.signal) }
  }
  const silent = await asked('HTTP/1.1 200 OK\r\n')
  t.same(silent.outcome, {
    outcome: 'failure',
    output: `Get "http://${host}:${silent.port}/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
  })
  const aborted = new AbortController()
  aborted.abort()
  t.match(await look(silent.port, {}, aborted.signal), { outcome: 'failure' })

  const endless = await listen(
    t,
    createTcpServer(socket => {
      socket.on('error', () => undefined)
      socket.write('HTTP/1.1 200 OK\r\n')
      const more = (): void => {
        const header = `x-${Math.random()}: ${'y'.repeat(8000)}\r\n`
        while (!socket.destroyed && socket.write(header));
        socket.once('drain', more)
      }
      more()
    }),
  )
  t.match(await look(endless), {
    outcome: 'failure',
    output:
      /: net\/http: server response headers exceeded 262144 bytes; aborted$/,
  })

  let sent = 0
  const flood = await listen(
    t,
    createServer((_, response) => {
      response.writeHead(302)
      const chunk = Buffer.alloc(64 * 1024, 'x')
      const more = (): void => {
        while (!response.destroyed && response.write(chunk))
          sent += chunk.length
        response.once('drain', more)
      }
      more()
    }),
  )
  const flooded = await look(flood)
  t.equal(flooded.outcome, 'warning')
  if (flooded.outcome === 'warning')
    t.equal(
      flooded.output,
      `Probe terminated redirects, Response body: ${'x'.repeat(10 * 1024)}`,
    )
  t.ok(sent < 64 * 1024 * 1024, 'and nobody reads on')

  const cut = await says(t, 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx')
  t.same(
    await look(cut),
    { outcome: 'error', state: 'failure', message: 'unexpected EOF' },
    'the kubelet does not count a broken body',
  )
})
