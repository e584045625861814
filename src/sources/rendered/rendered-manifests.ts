import { basename } from 'node:path'
import type { DecodeOptions } from '../../api/decode/decode-object.ts'
import type { KubeObject } from '../../api/types.ts'
import { inBackground } from '../../util/in-background.ts'
import { maxSmallFileBytes } from '../../util/read-bounded.ts'
import { Turns } from '../../util/turns.ts'
import type { Hint } from '../directory-watch.ts'
import { LockedRetry } from '../encryption/locked-retry.ts'
import { Conflicts } from '../conflicts.ts'
import { FindingsReport } from '../findings-report.ts'
import { FollowedFile, look } from '../followed-file.ts'
import type { FoundFile } from '../found-file.ts'
import { LiveFiles, type Listing } from '../live-files.ts'
import { Obstacles } from '../obstacles.ts'
import type { LiveFile, News } from '../watch-set.ts'
import type { Source, SourceOptions } from '../source.ts'
import { WatchPoints } from '../watch-points.ts'
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
  /** All that it has been made from. */
  readonly madeFrom: Set<string>
  /** Something that it is made from has changed. */
  isStale: boolean
}

/**
 * The objects of kustomizations and Helm charts, live: what a program makes of them is read as a
 * manifest file is, and is made again when a file that it was made from changes.
 *
 * Who knows what:
 * - kustomization-files.ts, chart-files.ts: which files those are, and where a new one would be;
 * - live-files.ts: when each of them is complete, empty or gone, and which were saved together;
 * - render.ts: which program renders;
 * - rendered-objects.ts: what of its output is believed.
 *
 * What changes while a program runs makes its output worth nothing: it runs again.
 */
export class RenderedManifests implements Source {
  readonly #options: RenderedManifestsOptions
  readonly #report: FindingsReport
  readonly #live: LiveFiles<LiveFile>
  readonly #conflicts: Conflicts
  readonly #abort = new AbortController()
  #followed: readonly Followed[]
  #working: Promise<void> | undefined

  constructor(options: RenderedManifestsOptions) {
    this.#options = options
    const { clock, store } = options
    const report = new FindingsReport(options)
    this.#report = report
    this.#live = new LiveFiles({
      clock,
      report,
      obstacles: new Obstacles(report, '.'),
      root: () =>
        this.#followed.map(({ made }) => rootOf(made.rendering))[0] ?? '.',
      list: () => this.#list(),
      open: path => this.#open(path),
      newsOf,
      onUnlisted: file => this.#onUnlisted(file),
      isRemoved: () => true,
      publish: () => inBackground(this.#work()),
    })
    this.#conflicts = new Conflicts({
      clock,
      store,
      report,
      isOwn: origin => this.#followed.some(({ key }) => key === origin),
    })
    this.#followed = unique(options.renderings).map(each => this.#follow(each))
  }

  async start(): Promise<void> {
    if (this.#options.watch) await this.#live.look()
    else for (const each of this.#followed) await this.#findFiles(each)
    await this.#allSettled(Infinity)
    await this.#work()
    this.#live.begin()
    this.#conflicts.tell()
  }

  async close(): Promise<void> {
    this.#abort.abort()
    this.#live.close()
    this.#report.close()
    this.#conflicts.close()
    for (const { retry } of this.#followed) retry.close()
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
    await this.#live.look()
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
      madeFrom: new Set(),
      isStale: true,
    }
    return followed
  }

  get #isClosed(): boolean {
    return this.#abort.signal.aborted
  }

  /** What the renderings are made from. */
  async #list(): Promise<Listing> {
    const points = new WatchPoints()
    for (const each of this.#followed) await this.#findFiles(each, points)
    const found = new Map<string, FoundFile>()
    for (const { files } of this.#followed)
      for (const file of files.files) found.set(file.path, file)
    return { files: [...found.values()], points }
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
    for (const { path } of files.files) followed.madeFrom.add(path)
    if (this.#options.watch)
      this.#report.set(`${followed.key} remote`, files.remote)
  }

  /** Of a file that nothing names any more. */
  async #onUnlisted({ path, follower }: LiveFile): Promise<void> {
    // Gone, it says so itself when that is sure: it may be between two renames of an editor.
    follower.hint('rename')
    const found = await look(path).catch(() => undefined)
    if (found !== undefined && !this.#isUsed(path)) this.#live.drop(path)
  }

  #isUsed(path: string): boolean {
    return this.#followed.some(each => uses(each, path))
  }

  /** Only that it changes matters, and whether anybody has written anything into it yet. */
  #open(path: string): LiveFile {
    let isEmpty = true
    const follower = new FollowedFile<undefined>({
      path,
      clock: this.#options.clock,
      maxBytes: () => maxSmallFileBytes,
      decode: async () => await Promise.resolve(undefined),
      onEvent: ({ kind }) => {
        if (kind === 'stable') return
        // Rendered as such already.
        if (kind === 'empty' && isEmpty) return
        isEmpty = kind === 'empty'
        for (const each of this.#followed)
          if (each.madeFrom.has(path)) each.isStale = true
        if (kind === 'gone' && !this.#isUsed(path)) this.#live.drop(path)
        // Another file may be named now.
        if (this.#live.isStarted) this.#live.lookSoon()
      },
      onIdle: () => this.#live.settled(file),
    })
    const file: LiveFile = {
      path,
      names: [],
      follower,
      get wasRead() {
        return follower.isLookedAt
      },
      close: () => follower.close(),
    }
    return file
  }

  /** Resolves when no file is being looked at, or after so long. */
  async #allSettled(ms: number): Promise<void> {
    const { clock } = this.#options
    const settled = this.#live.until(() => !this.#live.isBusy || this.#isClosed)
    await (ms === Infinity
      ? settled
      : Promise.race([settled, clock.sleep(Math.max(ms, 0))]))
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
      if (this.#live.isStarted && isAnyFailed && !this.#isAnyStale) {
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
    const isPatient = this.#live.isStarted || this.#options.patient === true
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
    this.#options.store.apply(changes)
    this.#conflicts.tellLater()
  }
}

/** Whatever its name is, it may be what a file of a rendering is now, or name others. */
function newsOf(path: string, hint: Hint, files: readonly FoundFile[]): News {
  if (hint !== 'rename') return 'none'
  return files.length > 0 || basename(path).startsWith('..') ? 'look' : 'new'
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
