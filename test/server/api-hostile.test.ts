import { once } from 'node:events'
import { connect } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { startApiServer } from '../helpers/api-server.ts'
import { makeConfigMap, makePod } from '../helpers/make-objects.ts'

/*
 * The API asked for things that it does not have, and in ways in which nobody asks.
 */

/** Sends requests one after the other on one connection; what HTTP clients refuse to send, too. */
async function rawRequests(
  t: Test,
  socket: string,
): Promise<(lines: readonly string[]) => Promise<string[]>> {
  const connection = connect(socket)
  await once(connection, 'connect')
  t.teardown(() => connection.destroy())
  let rest = ''
  let onData = (): void => undefined
  connection.setEncoding('latin1').on('data', (text: string) => {
    rest += text
    onData()
  })
  return async lines => {
    connection.write(
      lines.map(line => `${line} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''),
    )
    const codes: string[] = []
    await new Promise<void>(resolve => {
      onData = () => {
        codes.push(...(rest.match(/(?<=HTTP\/1\.1 )\d+(?= [^\n]*\n)/g) ?? []))
        if (codes.length > 0)
          rest = rest.slice(
            rest.lastIndexOf('HTTP/1.1 ') + 'HTTP/1.1 123'.length,
          )
        if (codes.length >= lines.length) resolve()
      }
      onData()
    })
    return codes
  }
}

t.test('what is neither a path nor a URL is a bad request', async t => {
  const { socket } = await startApiServer(t)
  const ask = await rawRequests(t, socket)
  for (const url of ['//', '//@:0', 'http://[', 'http://a:99999/'])
    for (const method of ['GET', 'POST', 'DELETE'])
      t.strictSame(await ask([`${method} ${url}`]), ['400'], `${method} ${url}`)
  t.strictSame(await ask(['GET http://podfs/healthz']), ['200'])
})

const words =
  'api apis v1 namespaces default pods secrets configmaps events nope web log status readyz version healthz volumes podfs.io generations 1 %2f %00 %zz'.split(
    ' ',
  )
const queries =
  'limit=1 labelSelector=a%3Db labelSelector=(( fieldSelector=x resourceVersion=abc container=c tailLines=-1 continue=z'.split(
    ' ',
  )

t.test('random requests leave nothing in memory', async t => {
  const { socket, store, record } = await startApiServer(t)
  const pod = makePod({ name: 'web' })
  store.replace('x', [pod, makeConfigMap({ name: 'web' })])
  record.pod(pod)
  const ask = await rawRequests(t, socket)
  let seed = 1
  const below = (end: number): number => {
    seed = (seed * 48_271) % 0x7fff_ffff
    return seed % end
  }
  const oneOf = (list: readonly string[]): string =>
    list[below(list.length)] as string
  const randomLine = (): string => {
    const method = oneOf(['GET', 'GET', 'GET', 'POST', 'DELETE', 'HEAD'])
    const path = Array.from({ length: 1 + below(7) }, () =>
      // What is asked for once only, as well.
      below(5) === 0 ? String(below(0x7fff_ffff)) : oneOf(words),
    ).join('/')
    const query = below(2) === 0 ? '' : `?${oneOf(queries)}`
    return `${method} ${oneOf(['/', '/', '//', 'http://['])}${path}${query}`
  }
  const asked = async (count: number): Promise<void> => {
    for (let sent = 0; sent < count; sent += 100) {
      const codes = await ask(Array.from({ length: 100 }, randomLine))
      const wrong = codes.filter(code => !/^[24]0\d$|^410$|^422$/.test(code))
      if (wrong.length > 0) t.fail(`answered ${wrong.join()}`)
    }
  }
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heap = (): number => {
    collect()
    collect()
    return process.memoryUsage().heapUsed
  }
  // Code is compiled and caches are filled.
  await asked(4000)
  const before = heap()
  const count = 12_000
  await asked(count)
  const each = (heap() - before) / count
  t.comment(`${each.toFixed(1)} bytes a request`)
  // The smallest object that holds its path is bigger than that.
  t.ok(each < 60, `${each.toFixed(1)} bytes are left of each request`)
})
