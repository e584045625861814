import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { readFile } from 'node:fs/promises'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import type { Test } from 'tap'

export const host = '127.0.0.1'

/** Its port; it goes with the test. */
export async function listen(
  t: Test,
  server: ReturnType<typeof createTcpServer>,
): Promise<number> {
  server.listen(0, host)
  await once(server, 'listening')
  t.teardown(() => {
    if ('closeAllConnections' in server)
      (server as Server).closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** One on which nobody listens now. */
export async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** A server that says one thing to every connection, whatever it is asked. */
export function says(t: Test, text: string): Promise<number> {
  return listen(
    t,
    createTcpServer(socket => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(text))
    }),
  )
}

export function http(t: Test, answer: RequestListener): Promise<number> {
  return listen(t, createServer(answer))
}

/** With a certificate that nobody has reason to trust. */
export async function https(t: Test, answer: RequestListener): Promise<number> {
  const pem = (name: string) =>
    readFile(new URL(`../fixtures/create/pem/${name}`, import.meta.url))
  const [key, cert] = [await pem('rsa.key'), await pem('rsa.crt')]
  return await listen(t, createTlsServer({ key, cert }, answer))
}
