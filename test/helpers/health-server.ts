import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import type { Test } from 'tap'
import { deferred } from '../../src/util/deferred.ts'

/** A gRPC server with the health protocol, and what it was asked with. */
export interface HealthServer {
  readonly port: number
  /** User agents. */
  readonly agents: string[]
  /** Resolves with the first call. */
  readonly asked: Promise<void>
}

/** `health`: ServingStatus by service; another one is NOT_FOUND. */
export async function healthServer(
  t: Test,
  health: Readonly<Record<string, number>>,
  { isSilent = false } = {},
): Promise<HealthServer> {
  const server = new Server()
  const agents: string[] = []
  const asked = deferred<void>()
  server.addService(
    {
      check: {
        path: '/grpc.health.v1.Health/Check',
        requestStream: false,
        responseStream: false,
        requestSerialize: (service: string) => Buffer.from(service),
        // An object: the server takes '' for no message at all.
        requestDeserialize: (message: Buffer) => ({ service: nameIn(message) }),
        responseSerialize: (value: number) => Buffer.from([0x08, value]),
        responseDeserialize: (message: Buffer) => message,
      },
    },
    {
      check: (
        call: {
          request: { service: string }
          metadata: { get(key: string): unknown[] }
        },
        answer: (error: object | null, value?: number) => void,
      ) => {
        agents.push(String(call.metadata.get('user-agent')[0]))
        asked.resolve()
        const value = health[call.request.service]
        if (isSilent) return
        if (value === undefined)
          answer({ code: status.NOT_FOUND, details: 'unknown service' })
        else answer(null, value)
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(
      '127.0.0.1:0',
      ServerCredentials.createInsecure(),
      (error, bound) => (error === null ? resolve(bound) : reject(error)),
    ),
  )
  t.teardown(() => server.forceShutdown())
  return { port, agents, asked: asked.promise }
}

/** Of HealthCheckRequest: its length is one or two bytes. */
function nameIn(message: Buffer): string {
  if (message.length === 0) return ''
  return message.subarray((message[1] ?? 0) < 0x80 ? 2 : 3).toString()
}
