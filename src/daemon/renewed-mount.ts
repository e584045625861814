import { mkdtemp, statfs } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../util/logger.ts'
import type { Backend } from '../volumes/backend.ts'
import type { SessionDirectory } from './runtime-directory.ts'

/** More losses than this within a minute are not bad luck. */
const renewalsPerMinute = 3
const minute = 60_000
/** A server that is replaced, or a loaded machine, takes less. */
const answerMs = 2000

/** The mount that a session has at the moment. */
export interface CurrentMount {
  readonly backend: Backend
  /** RUNTIME/ID: its private mount is at `rw`. */
  readonly directory: string
}

/**
 * Called as soon as the mount is lost. Resolves when everything has been published on the next
 * one, and is shown where the lost one was.
 */
export type MountFollower = (next: Promise<CurrentMount>) => Promise<void>

export interface RenewedMountOptions {
  readonly session: SessionDirectory
  /** A new mount in a directory that exists. */
  readonly open: (directory: string) => Promise<Backend>
  readonly logger: Logger
}

/**
 * The mount of a session. When it is lost (its keeper and its servers were killed at once),
 * another one takes its place: made and filled beside it, then shown instead of it. Until then
 * the dead one stays where it is.
 */
export class RenewedMount {
  readonly #options: RenewedMountOptions
  readonly #followers = new Set<MountFollower>()
  readonly #dead: Backend[] = []
  #current: CurrentMount
  #renewing: Promise<void> | undefined
  #isClosed = false

  constructor(first: CurrentMount, options: RenewedMountOptions) {
    this.#current = first
    this.#options = options
  }

  get current(): CurrentMount {
    return this.#current
  }

  /** Whether there would be another one. */
  get isRenewable(): boolean {
    return this.#current.backend.name === 'fuse'
  }

  /** Whether it is over, and there is no other one. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Requests per operation of the file server, since this mount was made. */
  async stats(): Promise<Readonly<Record<string, number>>> {
    return (await this.#current.backend.stats?.()) ?? {}
  }

  /** Resolves when the file server has answered; hangs or rejects when it does not. */
  async isAlive(): Promise<void> {
    // The one question that the kernel never answers from its cache.
    await statfs(this.#current.backend.directory)
  }

  /**
   * Before anything else is undone: what is under way on a mount whose server hangs would not end,
   * so that one's connection ends first. From then on every call fails at once.
   */
  async endIfHung(): Promise<void> {
    const wait = new AbortController()
    const { signal } = wait
    const isHung = await Promise.race([
      this.isAlive().then(
        () => false,
        () => false,
      ),
      delay(answerMs, true, { signal }).catch(() => false),
    ])
    wait.abort()
    if (!isHung || this.#isClosed) return
    this.#options.logger.warn(
      { mount: this.#current.directory },
      'the file server does not answer; its mount is ended first',
    )
    this.#isClosed = true
    await this.#current.backend.stop()
  }

  /** Until the returned function is called. */
  follow(follower: MountFollower): () => void {
    this.#followers.add(follower)
    return () => this.#followers.delete(follower)
  }

  /** Renews it as often as need be. Resolves with the reason why there is no other one. */
  async lost(): Promise<string> {
    const { logger } = this.#options
    // Not the time of day, which may be set.
    const losses: number[] = []
    for (;;) {
      const reason = await this.#current.backend.lost
      const recent = losses.filter(time => time > performance.now() - minute)
      if (this.#isClosed || !this.isRenewable) return reason
      if (recent.length >= renewalsPerMinute) return reason
      losses.push(performance.now())
      logger.warn({ reason }, 'the mount is lost; making another one')
      try {
        this.#renewing = this.#renew()
        await this.#renewing
      } catch (error) {
        logger.error({ err: error }, 'no other mount could be made')
        return reason
      }
    }
  }

  /** From now on there is no other one. The followers must have given up. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#renewing?.catch(() => undefined)
  }

  async stop(): Promise<void> {
    await this.close()
    for (const dead of this.#dead.splice(0)) await dead.stop()
    await this.#current.backend.stop()
  }

  async #renew(): Promise<void> {
    this.#dead.push(this.#current.backend)
    const next = this.#openNext()
    const shown = Promise.all([...this.#followers].map(follow => follow(next)))
    shown.catch(() => undefined)
    const { backend } = await next
    // One that is lost meanwhile never gets that far.
    const isLost = backend.lost.then(() => true)
    if (await Promise.race([shown.then(() => false), isLost])) return
    for (const dead of this.#dead.splice(0)) await dead.stop()
  }

  async #openNext(): Promise<CurrentMount> {
    const { session } = this.#options
    const directory = await mkdtemp(path.join(session.directory, 'again-'))
    const backend = await this.#options.open(directory)
    this.#current = { backend, directory }
    // Before it is shown: who adopts it will show it.
    session.update({ mountDirectory: directory })
    return this.#current
  }
}
