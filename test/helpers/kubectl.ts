import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** kubectl speaks TCP only: a door of this test to the unix socket. */
export async function tcpTo(t: Test, socket: string): Promise<string> {
  const proxy = createServer(client => {
    const server = connect(socket)
    client.pipe(server).pipe(client)
    for (const [end, other] of [
      [client, server],
      [server, client],
    ] as const) {
      end.on('error', () => other.destroy())
      end.on('close', () => other.destroySoon())
    }
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise(resolve => proxy.close(resolve)))
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
}

/** Of kubectl, which makes a cache there. */
const home = mkdtempSync('/tmp/podfs-kubectl-')
process.on('exit', () => rmSync(home, { recursive: true, force: true }))

interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What kubectl says of the API at that address. */
export function kubectl(
  server: string,
  args: readonly string[],
): Promise<Result> {
  return new Promise(resolve =>
    execFile(
      'kubectl',
      ['--server', server, ...args],
      { env: { PATH: process.env['PATH'], HOME: home } },
      (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    ),
  )
}

/** Ages grow between two commands, and columns with them. */
export function withoutAges(text: string): string {
  return text.replaceAll(/\b(\d+m)?\d+s\b/g, 'AGE').replaceAll(/ {2,}/g, '  ')
}
