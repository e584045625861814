import type { Clock } from '../util/clock.ts'
import { hasCode } from '../util/error-code.ts'
import { inBackground } from '../util/in-background.ts'
import { listeningSockets, type Listening } from '../linux/listening-sockets.ts'
import { EndpointChooser, type Target } from './choose-endpoint.ts'
import { TcpForward } from './tcp-forward.ts'
import { UdpForward } from './udp-forward.ts'

/** How often it is looked whether the server of a Pod listens by now. */
const firstLookMs = 50
const longestLookMs = 5000

/** One port of a Service, at its own address. */
export interface ForwardedPort {
  readonly at: Target
  readonly protocol: 'TCP' | 'UDP'
  readonly targets: readonly Target[]
  readonly affinitySeconds?: number
}

/** What is to be done about a port. */
export type ListenDecision =
  /** Nobody gets what comes: it is refused, as where nobody listens. */
  | 'refuse'
  | 'listen'
  /** The Pod's server listens at the same port on all addresses, and so at this one. */
  | 'direct'
  /** The Pod's server may be about to listen there on all addresses: that must not fail. */
  | 'wait'
  /** A program listens there on all addresses, and it is none of these Pods'. */
  | 'taken'

/**
 * The kernel gives one port either to all addresses or to single ones: whoever comes second is
 * refused. So a port is taken at a Service's address only when no server of its Pods can want it
 * on all of them. Pure.
 */
export function decideListen(
  { at, targets }: Pick<ForwardedPort, 'at' | 'targets'>,
  { anywhere, at: single }: Listening,
): ListenDecision {
  if (targets.length === 0) return 'refuse'
  const same = targets.filter(
    ({ port, ownNetwork }) => port === at.port && ownNetwork !== true,
  )
  if (anywhere.has(at.port)) return same.length > 0 ? 'direct' : 'taken'
  return same.every(({ ip, port }) => single.has(`${ip}:${port}`))
    ? 'listen'
    : 'wait'
}

/**
 * Why nothing can be forwarded: a program has the port on all addresses, or podfs may not listen
 * there.
 */
export type Obstacle = 'taken' | 'forbidden'

interface PortForwardOptions {
  readonly clock: Clock
  /** Told of each once; undefined: it is forwarded again. */
  readonly onObstacle: (obstacle: Obstacle | undefined) => void
}

/** Forwards one port for as long as it is wanted. */
export class PortForward {
  readonly #options: PortForwardOptions
  readonly #chooser: EndpointChooser
  readonly #forward: TcpForward | UdpForward
  #wanted: ForwardedPort
  #isListening = false
  #obstacle: Obstacle | undefined
  #isClosed = false
  #work: Promise<void> = Promise.resolve()
  #timer: { cancel(): void } | undefined
  #lookMs = firstLookMs

  constructor(wanted: ForwardedPort, options: PortForwardOptions) {
    const { clock } = options
    this.#options = options
    this.#wanted = wanted
    this.#chooser = new EndpointChooser(clock)
    this.#forward =
      wanted.protocol === 'TCP'
        ? new TcpForward(this.#chooser)
        : new UdpForward(this.#chooser, clock)
    this.set(wanted)
  }

  /** At once: who has gone gets nothing more. */
  set(wanted: ForwardedPort): void {
    this.#wanted = wanted
    this.#chooser.set(wanted.targets, wanted.affinitySeconds)
    if (this.#forward instanceof UdpForward) this.#forward.drop()
    this.#lookMs = firstLookMs
    this.#look()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#work
    this.#forward.close()
  }

  #look(): void {
    this.#timer?.cancel()
    this.#work = this.#work.then(() => this.#adjust())
    inBackground(this.#work)
  }

  async #adjust(): Promise<void> {
    if (this.#isClosed) return
    const wanted = this.#wanted
    if (this.#isListening) {
      // Its own socket is no reason to stop.
      if (wanted.targets.length > 0) return
      this.#forward.stop()
      this.#isListening = false
    }
    const protocol = wanted.protocol === 'TCP' ? 'tcp' : 'udp'
    const decision =
      wanted.targets.length === 0
        ? 'refuse'
        : decideListen(wanted, listeningSockets(protocol))
    if (decision === 'listen') {
      const obstacle = await this.#forward.listen(wanted.at).then(
        () => undefined,
        (error: unknown) =>
          hasCode(error, 'EACCES') ? 'forbidden' : ('taken' as const),
      )
      this.#isListening = obstacle === undefined
      this.#tell(obstacle)
      if (this.#isListening) return
    } else this.#tell(decision === 'taken' ? 'taken' : undefined)
    // Whether its server is another one later, a change of the Pods tells.
    if (decision === 'refuse' || decision === 'direct') return
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(this.#lookMs, () => this.#look())
    this.#lookMs = Math.min(this.#lookMs * 2, longestLookMs)
  }

  #tell(obstacle: Obstacle | undefined): void {
    if (obstacle === this.#obstacle) return
    this.#obstacle = obstacle
    this.#options.onObstacle(obstacle)
  }
}
