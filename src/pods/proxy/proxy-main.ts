/*
 * The Service proxy of `podfs serve`: forwards and answers names as the last table says, also
 * while podfs is gone and its Pods run on.
 *
 *   service-proxy.cjs RUNTIME/ID
 *
 * It says one line on standard output when it listens on RUNTIME/ID/services.sock; all else is
 * said there (proxy-messages.ts).
 */
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import {
  findShims,
  shimDirectory,
  shimStreamsSocket,
} from '../../session/find-shims.ts'
import { guardMemory } from '../../session/guard-memory.ts'
import { ServiceProxy } from '../../services/service-proxy.ts'
import { systemClock } from '../../util/clock.ts'
import { deferred } from '../../util/deferred.ts'
import { inBackground } from '../../util/in-background.ts'
import { defectMessage, errorOf, onDefect } from '../../util/on-defect.ts'
import { untilClosed } from '../../util/until-closed.ts'
import { exitAfter, tellListening } from '../outlive.ts'
import { isAbandoned, mayBeAbandoned } from '../shim/is-abandoned.ts'
import { MessageStream } from '../shim/message-stream.ts'
import {
  type FromProxy,
  proxyProtocol,
  type ToProxy,
} from './proxy-messages.ts'
import { proxyFile, proxySocket } from './start-proxy.ts'

/** Once something has ended while no podfs is there, it is looked so often whether anybody needs this. */
const lookMs = 1000
/** A podfs that is restarted is there again sooner. */
const patienceMs = 10_000

type Stream = MessageStream<ToProxy, FromProxy>

async function main(): Promise<void> {
  const [, , session = ''] = process.argv
  guardMemory(process.env)
  const done = deferred<void>()
  let serve: Stream | undefined
  let isBack = new AbortController()
  const proxy = new ServiceProxy({
    clock: systemClock,
    resolvConf: '/etc/resolv.conf',
    tell: message => serve?.send(message),
  })
  onDefect(defect =>
    process.stderr.write(`${defectMessage}: ${errorOf(defect).message}\n`),
  )
  let last: Promise<unknown> = Promise.resolve()
  const receive = (stream: Stream, message: ToProxy): void => {
    if (message.say === 'close') return done.resolve()
    const { table, request } = message
    const applied = last.then(() => proxy.apply(table))
    last = applied.catch(() => undefined)
    inBackground(
      applied.then(result =>
        stream.send({ say: 'applied', request, ...result }),
      ),
    )
  }
  const noteGone = async (stream: Stream): Promise<void> => {
    await stream.closed
    if (serve !== stream) return
    serve = undefined
    isBack = new AbortController()
    const { signal } = isBack
    await untilNotNeeded(session, signal)
    if (!signal.aborted) done.resolve()
  }
  // For the socket: 0600.
  process.umask(0o177)
  const server = createServer(socket => {
    isBack.abort()
    serve?.close()
    const stream: Stream = new MessageStream(socket, message =>
      receive(stream, message),
    )
    serve = stream
    stream.send({ say: 'hello', protocol: proxyProtocol })
    inBackground(noteGone(stream))
  })
  await rm(proxySocket(session), { force: true })
  server.listen(proxySocket(session))
  await once(server, 'listening')
  await tellListening(proxyFile(session), () => done.resolve())
  await done.promise
  await proxy.close()
}

/** Resolves when no Pod of the session needs it, or a podfs is there again. */
async function untilNotNeeded(
  session: string,
  isBack: AbortSignal,
): Promise<void> {
  for (let idleMs = 0; idleMs < patienceMs;) {
    // What cannot be looked at, because no descriptor is left, is not known to be gone.
    if (await isAbandoned(session).catch(() => false)) return
    const shims = await findShims(session).catch(() => undefined)
    const [needs] = shims ?? []
    if (needs !== undefined) await mayBeOver(session, needs.id, isBack)
    await systemClock.sleep(lookMs, isBack).catch(() => undefined)
    if (isBack.aborted) return
    idleMs = shims?.length === 0 ? idleMs + lookMs : 0
  }
}

/** Resolves when a Pod may have ended, or the session; at once when that cannot be told. */
async function mayBeOver(
  session: string,
  id: string,
  isBack: AbortSignal,
): Promise<void> {
  const told = new AbortController()
  const signal = AbortSignal.any([isBack, told.signal])
  await Promise.race([
    untilClosed(shimStreamsSocket(shimDirectory(session, id)), signal),
    mayBeAbandoned(session, signal),
  ])
  told.abort()
}

exitAfter(main())
