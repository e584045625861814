import { isDeepStrictEqual } from 'node:util'
import type { DecodeOptions } from '../../api/decode/decode-object.ts'
import type { KubeObject } from '../../api/types.ts'
import { inBackground } from '../../util/in-background.ts'
import { maxSmallFileBytes } from '../../util/read-bounded.ts'
import { Turns } from '../../util/turns.ts'
import type { Hint } from '../directory-watch.ts'
import { isEditorsFile } from '../editors-files.ts'
import { LockedRetry } from '../encryption/locked-retry.ts'
import { limitFinding } from '../errors.ts'
import { FindingsReport } from '../findings-report.ts'
import { FollowedFile, look } from '../followed-file.ts'
import type { FoundFile } from '../found-file.ts'
import { Rounds } from '../rounds.ts'
import type { Source, SourceOptions } from '../source.ts'
import { WatchPoints } from '../watch-points.ts'
import { WatchSet } from '../watch-set.ts'
import { addChart } from './chart-files.ts'
import { addKustomization } from './kustomization-files.ts'
import { render, type RenderResult } from './render.ts'
import { RenderedObjects } from './rendered-objects.ts'
import { RenderingFiles } from './rendering-files.ts'
import {
  keyOfRendering,
  rootOf,
  type Rendering,
  type RunRenderer,
} from './rendering.ts'

/** A rendering that fails is believed when nothing has been heard for so long after it. */
const failedMs = 250
/** Files that are never quiet keep what they make waiting for no longer. */
const longestMs = 5000
/** A conflict of two objects is believed when it lasts. */
const conflictMs = 500

/** Each is a process that uses a core. */
const renderers = new Turns(2)

export interface RenderedManifestsOptions
  extends SourceOptions, Pick<DecodeOptions, 'onFields'> {
  readonly renderings: readonly Rendering[]
  readonly run: RunRenderer
  /** What cannot be rendered is told of and waited for, also at the start. */
  readonly patient?: boolean
}

/** A rendering, and what there is to know about it. */
interface Followed {
  readonly key: string
  readonly made: RenderedObjects
  readonly retry: LockedRetry
  files: RenderingFiles
  /** Something that it is made from has changed. */
  isStale: boolean
}

/** A file, and whether nobody has written anything into it yet. */
interface Ingredient {
  readonly follower: FollowedFile<undefined>
  /** What has been made from it. */
  readonly users: Set<Followed>
  names: readonly string[]
  isEmpty: boolean
}

/**
 * The objects of kustomizations and Helm charts, live: what a program makes of them is read as a
 * manifest file is, and is made again when a file that it was made from changes.
 *
 * Who knows what:
 * - kustomization-files.ts, chart-files.ts: which files those are, and where a new one would be;
 * - followed-file.ts: when each of them is complete, empty or gone;
 * - rounds.ts: which of them were saved together;
 * - render.ts: which program renders;
 * - rendered-objects.ts: what of its output is believed.
 *
 * What changes while a program runs makes its output worth nothing: it runs again.
 */
export class RenderedManifests implements Source {
  readonly #options: RenderedManifestsOptions
  readonly #report: FindingsReport
  readonly #watches: WatchSet
  readonly #rounds: Rounds
  readonly #abort = new AbortController()
  #followed: readonly Followed[]
  readonly #ingredients = new Map<string, Ingredient>()
  #concerned = new Map<string, readonly string[]>()
  #points = new WatchPoints()
  #isStarted = false
  #working: Promise<void> | undefined
  #conflicts: { cancel(): void } | undefined
  #onSettled: () => void = () => undefined

  constructor(options: RenderedManifestsOptions) {
    this.#options = options
    this.#report = new FindingsReport(options)
    this.#watches = new WatchSet(options.clock, (directory, name, hint) =>
      this.#heard(directory, name, hint),
    )
    this.#rounds = new Rounds({
      clock: options.clock,
      busy: () => this.#isBusy,
      flush: () => {
        if (this.#isStarted) inBackground(this.#work())
      },
    })
    this.#followed = unique(options.renderings).map(each => this.#follow(each))
  }

  async start(): Promise<void> {
    if (this.#options.watch) await this.#rounds.look(() => this.#lookAround())
    else for (const each of this.#followed) await this.#findFiles(each)
    await this.#allSettled(Infinity)
    await this.#work()
    this.#isStarted = true
    this.#reportConflicts()
  }

  async close(): Promise<void> {
    this.#abort.abort()
    this.#rounds.close()
    this.#report.close()
    this.#conflicts?.cancel()
    this.#watches.close()
    for (const { follower } of this.#ingredients.values()) follower.close()
    for (const { retry } of this.#followed) retry.close()
    this.#onSettled()
    await this.#working?.catch(() => undefined)
  }

  get isSound(): boolean {
    return (
      this.mistakes === 0 && this.#followed.every(({ made }) => made.isSound)
    )
  }

  get mistakes(): number {
    return this.#report.mistakes
  }

  /**
   * These from now on; what only others had goes from the store. Those that could not be rendered
   * are tried again: a program may have been installed.
   */
  async setRenderings(renderings: readonly Rendering[]): Promise<void> {
    const before = new Map(this.#followed.map(each => [each.key, each]))
    this.#followed = unique(renderings).map(
      each => before.get(keyOfRendering(each)) ?? this.#follow(each),
    )
    for (const each of this.#followed)
      if (!each.made.isSound) each.isStale = true
    await this.#rounds.look(() => this.#lookAround())
    await this.#allSettled(Infinity)
    await this.#work()
    // After that, so that an object which moves from one to another stays.
    const left = [...before.values()].filter(
      each => !this.#followed.includes(each),
    )
    for (const { key, retry } of left) {
      retry.close()
      this.#options.store.keep(key, new Map())
      this.#report.set(key, [])
    }
    this.#apply(new Map(left.map(({ key }) => [key, []])))
  }

  #follow(rendering: Rendering): Followed {
    const { clock, identities } = this.#options
    const followed: Followed = {
      key: keyOfRendering(rendering),
      made: new RenderedObjects(rendering, this.#options),
      retry: new LockedRetry(clock, identities, () => {
        followed.isStale = true
        inBackground(this.#work())
      }),
      files: new RenderingFiles(new WatchPoints()),
      isStale: true,
    }
    return followed
  }

  get #isClosed(): boolean {
    return this.#abort.signal.aborted
  }

  get #isBusy(): boolean {
    return [...this.#ingredients.values()].some(({ follower }) => follower.busy)
  }

  #heard(directory: string, name: string | null, hint: Hint): void {
    if (this.#isClosed) return
    if (name !== null && !this.#points.matters(directory, name)) return
    // `..data` has been swapped, or something that inotify could not name has happened.
    const isAnything = name === null || name.startsWith('..')
    const path = `${directory === '/' ? '' : directory}/${name}`
    const concerned = isAnything
      ? [...this.#ingredients.keys()]
      : (this.#concerned.get(path) ?? [])
    for (const each of concerned) {
      this.#rounds.heard(each)
      this.#ingredients.get(each)?.follower.hint(hint)
    }
    if (isAnything) this.#lookAgain()
    else if (hint === 'rename' && !isEditorsFile(name)) {
      if (concerned.length === 0) this.#rounds.heardOther(path)
      this.#lookAgain()
    }
  }

  #lookAgain(): void {
    inBackground(this.#rounds.look(() => this.#lookAround()))
  }

  /** Brings the files that are followed in line with what the renderings are made from. */
  async #lookAround(): Promise<void> {
    for (let again = true; again && !this.#isClosed;) {
      const points = new WatchPoints()
      for (const each of this.#followed) await this.#findFiles(each, points)
      this.#points = points
      const [first] = this.#followed
      const { renewed, limit } = await this.#watches.set(
        points,
        first === undefined ? '.' : rootOf(first.made.rendering),
      )
      this.#report.set(
        'watch',
        limit === undefined ? [] : [limitFinding(limit)],
      )
      if (this.#isClosed) return
      this.#followFiles(renewed)
      again = renewed
    }
  }

  async #findFiles(
    followed: Followed,
    points = new WatchPoints(),
  ): Promise<void> {
    const { rendering } = followed.made
    const files = new RenderingFiles(points)
    if (rendering.kind === 'kustomize')
      await addKustomization(files, rendering.directory)
    else await addChart(files, rendering)
    followed.files = files
    if (this.#options.watch)
      this.#report.set(`${followed.key} remote`, files.remote)
  }

  /** Never gives way: what happens between a look and the names it is heard of by would be lost. */
  #followFiles(renewed: boolean): void {
    const found = new Map<string, FoundFile>()
    for (const { files } of this.#followed)
      for (const file of files.files) found.set(file.path, file)
    for (const { path, names } of found.values()) {
      const ingredient = this.#ingredients.get(path)
      if (ingredient === undefined) {
        this.#open(path, names)
        continue
      }
      const isHeard = isDeepStrictEqual(ingredient.names, names)
      ingredient.names = names
      // Not `rename`: of what was written before nobody has heard.
      if (renewed || !isHeard) ingredient.follower.hint('change')
    }
    for (const [path, { follower }] of this.#ingredients) {
      if (found.has(path)) continue
      // Gone, it says so itself when that is sure: it may be between two renames of an editor.
      follower.hint('rename')
      inBackground(this.#closeUnlessGone(path))
    }
    for (const each of this.#followed)
      for (const { path } of each.files.files)
        this.#ingredients.get(path)?.users.add(each)
    const concerned = new Map<string, string[]>()
    for (const [path, { names }] of this.#ingredients)
      for (const name of names) {
        const others = concerned.get(name)
        if (others === undefined) concerned.set(name, [path])
        else others.push(path)
      }
    this.#concerned = concerned
  }

  /** Of a file that nothing names any more. */
  async #closeUnlessGone(path: string): Promise<void> {
    const found = await look(path).catch(() => undefined)
    if (found !== undefined && !this.#isUsed(path)) this.#drop(path)
  }

  #isUsed(path: string): boolean {
    return this.#followed.some(each => uses(each, path))
  }

  #drop(path: string): void {
    this.#ingredients.get(path)?.follower.close()
    this.#ingredients.delete(path)
    // It says no more itself.
    this.#rounds.settled(path, false)
    this.#onSettled()
  }

  #open(path: string, names: readonly string[]): void {
    let isFirst = true
    const users = new Set<Followed>()
    const ingredient: Ingredient = {
      follower: new FollowedFile<undefined>({
        path,
        clock: this.#options.clock,
        maxBytes: () => maxSmallFileBytes,
        decode: async () => await Promise.resolve(undefined),
        onEvent: ({ kind }) => {
          if (kind === 'stable') return
          // Rendered as such already.
          if (kind === 'empty' && ingredient.isEmpty) return
          ingredient.isEmpty = kind === 'empty'
          for (const each of users) each.isStale = true
          if (kind === 'gone' && !this.#isUsed(path)) this.#drop(path)
          // Another file may be named now.
          if (this.#isStarted) this.#lookAgain()
        },
        onIdle: () => {
          this.#rounds.settled(path, !isFirst)
          isFirst = false
          this.#onSettled()
        },
      }),
      users,
      names,
      isEmpty: true,
    }
    this.#ingredients.set(path, ingredient)
    ingredient.follower.hint('change')
  }

  /** Resolves when no file is being looked at, or after so long. */
  async #allSettled(ms: number): Promise<void> {
    const { clock } = this.#options
    const until = clock.elapsed() + ms
    while (this.#isBusy && !this.#isClosed && clock.elapsed() < until) {
      const settled = new Promise<void>(resolve => (this.#onSettled = resolve))
      await (ms === Infinity
        ? settled
        : Promise.race([settled, clock.sleep(until - clock.elapsed())]))
    }
  }

  /** Resolves when nothing is stale any more, and all of it is in the store. */
  async #work(): Promise<void> {
    while (!this.#isClosed && this.#isAnyStale) {
      this.#working ??= this.#renderStale().finally(() => {
        this.#working = undefined
      })
      await this.#working
    }
  }

  get #isAnyStale(): boolean {
    return this.#followed.some(each => each.isStale)
  }

  async #renderStale(): Promise<void> {
    const { clock } = this.#options
    const began = clock.elapsed()
    const left = (): number => longestMs - (clock.elapsed() - began)
    const results = new Map<Followed, RenderResult>()
    do {
      const stale = this.#followed.filter(each => each.isStale)
      for (const each of stale) each.isStale = false
      await Promise.all(
        stale.map(async each => results.set(each, await this.#render(each))),
      )
      await this.#allSettled(left())
      const isAnyFailed = stale.some(
        each => results.get(each)?.kind !== 'rendered',
      )
      // Somebody may be in the middle of saving what belongs together.
      if (this.#isStarted && isAnyFailed && !this.#isAnyStale) {
        await clock.sleep(failedMs)
        await this.#allSettled(left())
      }
    } while (this.#isAnyStale && left() > 0 && !this.#isClosed)
    await this.#take(results)
  }

  async #render({ made }: Followed): Promise<RenderResult> {
    const { namespace, run } = this.#options
    const { signal } = this.#abort
    return await renderers.run(() =>
      render(made.rendering, namespace, run, signal),
    )
  }

  /** Throws a SourceError at a start that is not patient. */
  async #take(results: ReadonlyMap<Followed, RenderResult>): Promise<void> {
    const changes = new Map<string, readonly KubeObject[]>()
    const isPatient = this.#isStarted || this.#options.patient === true
    for (const each of this.#followed) {
      const result = results.get(each)
      if (result === undefined || this.#isClosed) continue
      if (result.kind === 'impossible' && !isPatient) throw result.error
      const { key, made, files, retry } = each
      await made.take(result, files)
      retry.set(this.#options.watch ? made.locked : undefined)
      this.#report.set(key, made.findings)
      changes.set(key, made.objects)
    }
    this.#apply(changes)
    for (const { key, made } of this.#followed)
      this.#options.store.keep(key, made.kept())
  }

  #apply(changes: ReadonlyMap<string, readonly KubeObject[]>): void {
    if (this.#isClosed || changes.size === 0) return
    const { store, clock } = this.#options
    store.apply(changes)
    this.#conflicts?.cancel()
    this.#conflicts = clock.after(conflictMs, () => this.#reportConflicts())
  }

  #reportConflicts(): void {
    const own = new Set(this.#followed.map(({ key }) => key))
    this.#report.set(
      'conflicts',
      this.#options.store
        .conflicts()
        .filter(({ origin }) => own.has(origin))
        .map(({ finding }) => finding),
    )
  }
}

function uses({ files }: Followed, path: string): boolean {
  return files.files.some(file => file.path === path)
}

/** Each once: of two equal ones each would hold the other's objects. */
function unique(renderings: readonly Rendering[]): readonly Rendering[] {
  return [
    ...new Map(renderings.map(each => [keyOfRendering(each), each])).values(),
  ]
}
