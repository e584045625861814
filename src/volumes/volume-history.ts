import type { FileOrigin, Payload } from '../writer/payload.ts'
import { VolumeError } from './errors.ts'
import { HistoryBudget } from './history-budget.ts'
import {
  isToken,
  originsOf,
  payloadChanges,
  samePayload,
  sharingFiles,
  withoutTokens,
  withTokensOf,
  type PayloadChanges,
} from './payload-changes.ts'

/** One content that a volume had, from its publication to the next one's. */
export interface VolumeGeneration {
  /** Counts from 1. */
  readonly generation: number
  /** Milliseconds since 1970; absent: by the podfs that this one has adopted it from. */
  readonly publishedAt?: number
  readonly payload: Payload
  /** To the generation before. */
  readonly changes: PayloadChanges
  /** The objects that gave what is other than in the generation before. */
  readonly origins: readonly FileOrigin[]
  /** It shows this generation again. */
  readonly rollbackTo?: number
}

/** As many as a Deployment keeps of its past (revisionHistoryLimit). */
const maxGenerations = 10
/** Roughly, of the maps and objects around the data. */
const generationOverhead = 512
const fileOverhead = 128

/**
 * What one volume has shown, what its sources say, and whether it is pinned: what it is to
 * show is one of the two. In memory only, and bounded: the newest ten generations, of which a
 * session's budget may take the old ones.
 *
 * - It outlives the mount: a lost one is filled with what the volume is to show.
 * - A file that two generations have alike is kept once.
 * - Tokens are always the newest ones, in a pinned volume, too. Generations in a row that
 *   differ in nothing but tokens count as one: they would push out all others in a day.
 */
export class VolumeHistory {
  readonly #budget: HistoryBudget
  readonly #generations: VolumeGeneration[] = []
  readonly #forget = new Map<VolumeGeneration, () => void>()
  #source: Payload | undefined
  #pin: { readonly generation: number; readonly payload: Payload } | undefined

  constructor(budget = new HistoryBudget()) {
    this.#budget = budget
  }

  /** Those that are kept, the oldest first; the last one is what the volume shows. */
  get generations(): readonly VolumeGeneration[] {
    return this.#generations
  }

  get current(): VolumeGeneration | undefined {
    return this.#generations.at(-1)
  }

  /** The generation that is shown again until the sources change. */
  get pinned(): number | undefined {
    return this.#pin?.generation
  }

  /** What the volume is to show; undefined before its sources have said anything. */
  get wanted(): Payload | undefined {
    if (this.#pin === undefined) return this.#source
    // Stryker disable next-line OptionalChaining: what is pinned is a generation, so there is one
    const newest = this.#source ?? this.current?.payload ?? new Map()
    return withTokensOf(this.#pin.payload, newest)
  }

  /** Whether the volume shows what it is to show. */
  get isSettled(): boolean {
    const { wanted, current } = this
    return (
      wanted !== undefined &&
      current !== undefined &&
      samePayload(wanted, current.payload)
    )
  }

  /** What the sources say now. Other data than they had before ends the pin. */
  offer(payload: Payload): void {
    const before = this.#source
    this.#source = sharingFiles(payload, [
      ...(before === undefined ? [] : [before]),
      // Stryker disable next-line MethodExpression: more of them only take longer
      ...this.#generations.slice(-1).map(({ payload }) => payload),
    ])
    if (
      before !== undefined &&
      !samePayload(withoutTokens(before), withoutTokens(payload))
    )
      this.#pin = undefined
  }

  /** What is wanted has been written; `at`: when its bytes were not there before. */
  published(payload: Payload, at?: number): void {
    const last = this.current
    if (last !== undefined && samePayload(last.payload, payload)) return
    const before = last?.payload ?? new Map()
    const changes = payloadChanges(before, payload)
    const origins = originsOf(changes, before, payload)
    const isRenewal = hasOnlyTokens(origins)
    this.#generations.push({
      generation: (last?.generation ?? 0) + 1,
      ...(at === undefined ? {} : { publishedAt: at }),
      payload,
      changes,
      origins,
      ...(this.#pin === undefined || isRenewal
        ? {}
        : { rollbackTo: this.#pin.generation }),
    })
    if (last === undefined) return
    if (isRenewal && hasOnlyTokens(last.origins)) this.#drop(last)
    else this.#hold(last, payload)
    const [oldest] = this.#generations
    // Stryker disable next-line ConditionalExpression: there is an oldest one of eleven
    if (this.#generations.length > maxGenerations && oldest !== undefined)
      this.#drop(oldest)
  }

  /** Throws a VolumeError when the generation is not, or no longer, kept. */
  get(generation: number): VolumeGeneration {
    const found = this.#generations.find(kept => kept.generation === generation)
    if (found !== undefined) return found
    const kept = this.#generations.map(({ generation }) => generation)
    throw new VolumeError(
      'VOLUME_NO_GENERATION',
      `generation ${generation} is not kept; there ${kept.length === 1 ? 'is' : 'are'} ${kept.join(', ')}`,
    )
  }

  /**
   * An older generation is to be shown again. False when just that is to be shown already;
   * throws a VolumeError when it is not kept.
   */
  rollBack(generation: number): boolean {
    const { payload } = this.get(generation)
    const wanted = this.wanted ?? new Map()
    if (samePayload(withTokensOf(payload, wanted), wanted)) return false
    this.#pin = { generation, payload }
    // What the sources say is no pin: it would go with their next change all the same.
    if (
      this.#source !== undefined &&
      samePayload(withoutTokens(payload), withoutTokens(this.#source))
    )
      this.#pin = undefined
    return true
  }

  /** What the sources say is to be shown again. False when it is. */
  unpin(): boolean {
    const wasPinned = this.#pin !== undefined
    this.#pin = undefined
    return wasPinned
  }

  /** Nobody will ask again: all of the past but what is shown. */
  forgetAll(): void {
    for (const generation of this.#generations.slice(0, -1))
      this.#drop(generation)
  }

  #hold(generation: VolumeGeneration, next: Payload): void {
    const forget = (): void => this.#drop(generation)
    this.#forget.set(generation, forget)
    let bytes = generationOverhead
    for (const [path, file] of generation.payload)
      bytes +=
        fileOverhead +
        path.length +
        // Else it is the next one's, and goes with that.
        (next.get(path) === file ? 0 : file.data.length)
    this.#budget.hold(bytes, forget)
  }

  #drop(generation: VolumeGeneration): void {
    this.#generations.splice(this.#generations.indexOf(generation), 1)
    const forget = this.#forget.get(generation)
    // Stryker disable next-line ConditionalExpression: what is not held takes no bytes
    if (forget === undefined) return
    this.#forget.delete(generation)
    this.#budget.release(forget)
  }
}

function hasOnlyTokens(origins: readonly FileOrigin[]): boolean {
  return origins.length > 0 && origins.every(origin => isToken({ origin }))
}
