import { mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { JsonObject } from '../../src/api/json.ts'
import { ApiServer } from '../../src/server/api-server.ts'
import { metricsText } from '../../src/server/metrics.ts'
import { SessionRecord } from '../../src/server/session-record.ts'
import { Store } from '../../src/store/store.ts'
import { loadSigningKey } from '../../src/tokens/signing-key.ts'
import { TokenIssuer } from '../../src/tokens/token-issuer.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { openSocket } from './ask-socket.ts'
import { FakeClock } from './fake-clock.ts'
import { makeNode } from './make-objects.ts'

export const apiNow = Date.UTC(2026, 0, 1)

/** A session's API on a socket of its own, with a store, a record and a clock of the test's. */
export async function startApiServer(t: Test) {
  const clock = new FakeClock(apiNow)
  const store = new Store({ clock })
  const record = new SessionRecord(clock)
  // Not t.testdir(): the kernel takes 107 bytes for a socket's path.
  const directory = await mkdtemp('/tmp/podfs-api-')
  t.teardown(() => rm(directory, { recursive: true }))
  const server = new ApiServer({
    store,
    record,
    isToRun: pod => pod.metadata.annotations.get('podfs.io/run') === 'true',
    clock,
    logger: silentLogger,
    node: {
      node: makeNode(),
      startedAt: apiNow,
      version: '0.0.0',
      kernelVersion: '6.0',
      osImage: 'Linux',
    },
    issuer: async () =>
      new TokenIssuer(
        await loadSigningKey(path.join(directory, 'key.pem')),
        'https://issuer.example',
      ),
    metrics: () =>
      metricsText(record, { nodes: 3, serverRestarts: 4, LOOKUP: 2 }),
  })
  const socket = path.join(directory, 'api.sock')
  await server.listen(socket)
  t.teardown(() => server.close())
  const open = (url: string, headers = {}, method = 'GET', sent?: string) =>
    openSocket(socket, url, { headers, method, sent })
  const text = async (url: string): Promise<string> =>
    await readAll(await open(url))
  const get = async (url: string, headers = {}, method = 'GET', sent = '') => {
    const response = await open(url, headers, method, sent)
    const body = JSON.parse(await readAll(response)) as JsonObject
    return { code: response.statusCode, body }
  }
  const post = async (url: string, sent: unknown, headers = {}) => {
    const text = typeof sent === 'string' ? sent : JSON.stringify(sent)
    const response = await openSocket(socket, url, { headers, sent: text })
    const body = JSON.parse(await readAll(response)) as JsonObject
    return { code: response.statusCode, body }
  }
  return { clock, store, record, server, socket, open, text, get, post }
}
