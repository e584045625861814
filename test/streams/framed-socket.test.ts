import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { framedSocket } from '../../src/streams/framed-socket.ts'

async function pair(t: Test): Promise<readonly [Socket, Socket]> {
  const server = createServer()
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const one = connect(port, '127.0.0.1')
  const [other] = (await once(server, 'connection')) as [Socket]
  return [one, other]
}

t.test('it is closed when all that has come is handed on', async t => {
  const [one, other] = await pair(t)
  const sender = framedSocket(one)
  const receiver = framedSocket(other)
  const seen: string[] = []
  receiver.receive((channel, bytes) => {
    seen.push(`${channel} ${bytes.toString()}`)
    // The first is not taken as long as there is somebody there.
    return seen.length > 1 ? undefined : new Promise(() => undefined)
  })
  for (const word of ['a', 'b', 'end']) await sender.send(1, Buffer.from(word))
  const gone = once(other, 'close')
  sender.close()
  receiver.close()
  await gone
  await receiver.closed
  t.strictSame(seen, ['1 a', '1 b', '1 end'])
  await sender.closed
})

t.test('nobody has to take what comes for it to be closed', async t => {
  const [one, other] = await pair(t)
  const receiver = framedSocket(other)
  receiver.receive(() => new Promise(() => undefined))
  const sender = framedSocket(one)
  await sender.send(1, Buffer.from('a'))
  sender.drop()
  receiver.drop()
  await receiver.closed
  t.pass()
})
