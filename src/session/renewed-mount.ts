import { mkdtemp, rmdir, statfs } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../util/logger.ts'
import type { Backend } from '../volumes/backend.ts'
import type { SessionDirectory } from './runtime-directory.ts'
import { againPrefix, isShown } from './session-mounts.ts'
import { deferred } from '../util/deferred.ts'
import { isConnectionLost } from '../writer/volume-tree.ts'

const minute = 60_000
/** A server that is replaced, or a loaded machine, takes less. */
const answerMs = 2000
/** A mount whose volumes cannot be put right is given up at most so often. */
const giveUpMs = 10 * minute

/**
 * Seconds to wait before a mount is made anew, given how many were within a minute. Three at once:
 * that may be bad luck. It never ends: a mount that comes late is better than none.
 */
export function renewalPause(recent: number): number {
  return [0, 0, 0, 1, 2, 5][recent] ?? 10
}

/** The mount that a session has at the moment. */
export interface CurrentMount {
  readonly backend: Backend
  /** RUNTIME/ID: its private mount is at `rw`. */
  readonly directory: string
}

/**
 * Called as soon as the mount is lost. Resolves when everything has been published on the next
 * one, and is shown where the lost one was. Never called again before it has ended: once `lost` is
 * aborted, because the next one is lost as well, it does, and shows nothing any more.
 */
export type MountFollower = (
  next: Promise<CurrentMount>,
  lost: AbortSignal,
) => Promise<void>

export interface RenewedMountOptions {
  readonly session: SessionDirectory
  /** A new mount in a directory that exists. */
  readonly open: (directory: string) => Promise<Backend>
  readonly logger: Logger
}

/**
 * The mount of a session. When it is lost (its keeper and its servers were killed at once),
 * another one takes its place: made and filled beside it, then shown instead of it. Until then
 * the dead one stays where it is. That goes on for as long as the session does.
 */
export class RenewedMount {
  readonly #options: RenewedMountOptions
  readonly #followers = new Set<MountFollower>()
  readonly #dead = new Set<CurrentMount>()
  readonly #closed = new AbortController()
  readonly #lost: Promise<string>
  readonly #followed = deferred<void>()
  #givenUp = deferred<string>()
  #givenUpAt = -Infinity
  #isLost = false
  #current: CurrentMount
  #renewing: Promise<void> | undefined
  /** Told when the next loss has been made good. */
  #waiting: (() => void)[] = []

  constructor(first: CurrentMount, options: RenewedMountOptions) {
    this.#current = first
    this.#options = options
    this.#lost = this.#keep()
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
    return this.#closed.signal.aborted
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
    if (!isHung || this.isClosed) return
    this.#options.logger.warn(
      { mount: this.#current.directory },
      'the file server does not answer; its mount is ended first',
    )
    this.#closed.abort()
    await this.#current.backend.stop()
  }

  /** Until the returned function is called. */
  follow(follower: MountFollower): () => void {
    this.#followers.add(follower)
    this.#followed.resolve()
    return () => this.#followers.delete(follower)
  }

  /** Resolves with the reason when it is lost and there is no other one. */
  async lost(): Promise<string> {
    return await this.#lost
  }

  /**
   * What has to be done on the present mount for the first time. When that fails because the
   * mount is lost, it is enough that everybody who follows has done his part on the next one.
   */
  async orNext(work: () => Promise<void>): Promise<void> {
    const { backend } = this.#current
    const renewed = deferred<void>()
    this.#waiting.push(renewed.resolve)
    // Or the next one is there already.
    const isLost = (): boolean =>
      this.#isLost || this.#current.backend !== backend
    const isOver = async (): Promise<boolean> =>
      this.isRenewable && (isLost() || (await isGone(backend)) || isLost())
    // What looks for names in a dead mount makes the kernel forget them, and then nothing can be
    // mounted over them any more.
    if (await isOver()) return await renewed.promise
    try {
      await work()
    } catch (error) {
      if (!(await isOver())) throw error
      await renewed.promise
    }
  }

  /**
   * It is served, but what is in it can neither be used nor be put right: another one takes its
   * place. Not again within ten minutes: then that is not the reason.
   */
  giveUp(reason: string): void {
    if (performance.now() < this.#givenUpAt + giveUpMs) return
    this.#givenUpAt = performance.now()
    this.#givenUp.resolve(reason)
  }

  /** From now on there is no other one. The followers must have given up. */
  async close(): Promise<void> {
    this.#closed.abort()
    await this.#renewing?.catch(() => undefined)
  }

  async stop(): Promise<void> {
    await this.close()
    for (const { backend } of this.#dead) await backend.stop()
    await this.#current.backend.stop()
  }

  /** Renews it as often as need be. */
  async #keep(): Promise<string> {
    const { logger } = this.#options
    const { signal } = this.#closed
    // One that nobody would show in the place of the lost one is of no use.
    await this.#followed.promise
    // Not the time of day, which may be set.
    let losses: number[] = []
    for (;;) {
      this.#givenUp = deferred()
      const reason = await Promise.race([
        this.#current.backend.lost,
        this.#givenUp.promise,
      ])
      if (signal.aborted || !this.isRenewable) return reason
      this.#isLost = true
      for (let isShown = false; !isShown;) {
        losses = losses.filter(time => time > performance.now() - minute)
        const seconds = renewalPause(losses.length)
        logger.warn(
          { reason, seconds },
          'the mount is lost; making another one',
        )
        await delay(seconds * 1000, undefined, { signal }).catch(
          () => undefined,
        )
        if (signal.aborted) return reason
        losses.push(performance.now())
        this.#renewing = this.#renew()
        isShown = await this.#renewing.then(
          () => true,
          (error: unknown) => {
            logger.error({ err: error }, 'no other mount could be made yet')
            return false
          },
        )
        if (signal.aborted) return reason
      }
      this.#isLost = false
      for (const tell of this.#waiting.splice(0)) tell()
    }
  }

  /** One that a container still has: with it the directory beneath would be seen. */
  async #stopDead(): Promise<void> {
    for (const dead of this.#dead) {
      if (await isShown(dead.directory)) continue
      this.#dead.delete(dead)
      await dead.backend.stop()
    }
  }

  async #renew(): Promise<void> {
    const before = this.#current
    this.#dead.add(before)
    const next = this.#openNext()
    const isLost = new AbortController()
    const following = [...this.#followers].map(async follow => {
      try {
        await follow(next, isLost.signal)
      } catch (error) {
        // Its Pod may have ended meanwhile.
        if (this.#followers.has(follow)) throw error
      }
    })
    try {
      await this.#shown(next, Promise.all(following))
    } catch (error) {
      isLost.abort(error)
      // Whoever is about to show it would show a dead one, in the place of one that has been made
      // since, or when it is taken away below.
      await Promise.allSettled(following)
      const { directory, backend } = this.#current
      // What is shown somewhere, dead or not, stays until another one is shown instead.
      if (directory !== before.directory && !(await isShown(directory))) {
        // Who adopts this session finds what is shown, and not what is gone.
        this.#current = before
        this.#options.session.update({ mountDirectory: before.directory })
        await backend.stop()
      }
      throw error
    }
    await this.#stopDead()
  }

  /** Rejects when the next mount cannot be made, or is lost before everybody has shown it. */
  async #shown(
    next: Promise<CurrentMount>,
    following: Promise<unknown>,
  ): Promise<void> {
    following.catch(() => undefined)
    const { backend } = await next
    const lost = backend.lost.then(reason => {
      throw new Error(`it was lost before it was shown: ${reason}`)
    })
    await Promise.race([following, lost])
  }

  async #openNext(): Promise<CurrentMount> {
    const { session } = this.#options
    const directory = await mkdtemp(path.join(session.directory, againPrefix))
    const backend = await this.#options.open(directory).catch(async error => {
      await rmdir(directory).catch(() => undefined)
      throw error
    })
    this.#current = { backend, directory }
    // Before it is shown: who adopts it will show it.
    session.update({ mountDirectory: directory })
    return this.#current
  }
}

/** Whether its connection has ended. The one question that the kernel never answers from its cache. */
export async function isGone({ directory }: Backend): Promise<boolean> {
  return await statfs(directory).then(() => false, isConnectionLost)
}
