import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import t from 'tap'
import {
  forwardOver,
  serveForwarding,
} from '../../src/streams/forwarded-ports.ts'
import { memoryWires } from '../helpers/memory-wires.ts'

/*
 * Both sides of a forwarded port, with connections that the test plays.
 */

const settle = () => new Promise<void>(resolve => setImmediate(resolve))

class End extends Duplex {
  other: End | undefined
  override _read(): void {
    // It comes by itself.
  }
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.other?.push(chunk)
    done()
  }
  override _final(done: () => void): void {
    this.other?.push(null)
    done()
  }
}

/** What is written to one end is read at the other. */
function connection(): readonly [Duplex, Duplex] {
  const [one, other] = [new End(), new End()]
  one.other = other
  other.other = one
  return [one, other]
}

/** To the end of what comes; the other direction goes on. */
async function readAll(stream: Duplex): Promise<string> {
  let all = ''
  stream.on('data', chunk => (all += String(chunk)))
  await once(stream, 'end')
  return all
}

t.test('both directions, and each half ends for itself', async t => {
  const [server, client] = memoryWires()
  const [podfs, program] = connection()
  const [local, user] = connection()
  const ports: number[] = []
  const served = serveForwarding(server, [8080], async port => {
    ports.push(port)
    return podfs as Socket
  })
  const over = forwardOver(client, local)
  user.end('question')
  t.equal(await readAll(program), 'question')
  program.end('answer')
  t.equal(await readAll(user), 'answer')
  await served
  t.equal(await over, undefined)
  t.strictSame(ports, [8080])
})

t.test('the channels of each port begin with its number', async t => {
  const [server, client] = memoryWires()
  const said: string[] = []
  client.receive((channel, bytes) => {
    said.push(`${channel} ${bytes.toString('hex')}`)
    return undefined
  })
  const served = serveForwarding(server, [80, 0x1234], async () => {
    const [one, other] = connection()
    other.end()
    return one as Socket
  })
  await served
  await client.closed
  t.strictSame(said.toSorted(), ['0 5000', '1 5000', '2 3412', '3 3412'])
})

t.test('nobody listens: it is told, and the other port goes on', async t => {
  const [server, client] = memoryWires()
  const said: string[] = []
  client.receive((channel, bytes) => {
    if (bytes.length !== 2) said.push(`${channel} ${bytes.toString()}`)
    return undefined
  })
  const served = serveForwarding(server, [80, 81], async port => {
    if (port === 80) throw new Error('connection refused')
    const [one, other] = connection()
    other.end('hello')
    return one as Socket
  })
  await client.send(0, Buffer.from('to nobody'))
  await served
  await client.closed
  t.strictSame(said.toSorted(), ['1 connection refused', '2 hello'])
  const [one, other] = memoryWires()
  const [local] = connection()
  const over = forwardOver(other, local)
  await serveForwarding(one, [80], async () => {
    throw new Error('connection refused')
  })
  t.equal(await over, 'connection refused')
})

t.test('whoever leaves ends the connections', async t => {
  const [server, client] = memoryWires()
  const [podfs] = connection()
  const served = serveForwarding(server, [80], async () => podfs as Socket)
  const [local] = connection()
  const over = forwardOver(client, local)
  await settle()
  local.destroy()
  await over
  await served
  t.ok(podfs.destroyed)
})
