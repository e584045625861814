import { randomUUID } from 'node:crypto'

/** What an event is about: an object, or a field of it. */
export interface ObjectReference {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  /** Such as `spec.containers{web}`. */
  readonly fieldPath?: string
}

export interface EventOccurrence {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
  readonly involvedObject: ObjectReference
}

/** An Event of core/v1, as far as podfs fills it in. Times are milliseconds since 1970. */
export interface RecordedEvent extends EventOccurrence {
  readonly name: string
  readonly uid: string
  readonly firstTime: number
  readonly lastTime: number
  /** How often it happened. */
  readonly count: number
}

/** As the API server's --event-ttl. */
const ttlMs = 60 * 60 * 1000
const maxEvents = 1000

/**
 * Events with equal words are one that counts (client-go, tools/record/events_cache.go); an
 * hour after the last time they are forgotten, and the oldest when there are too many.
 */
export class EventLog {
  /** By what makes events equal, least recent first. */
  readonly #events = new Map<string, RecordedEvent>()
  readonly #onChange: (type: 'set' | 'delete', event: RecordedEvent) => void

  constructor(
    onChange: (type: 'set' | 'delete', event: RecordedEvent) => void,
  ) {
    this.#onChange = onChange
  }

  /** Least recent first. */
  get events(): readonly RecordedEvent[] {
    return [...this.#events.values()]
  }

  record(occurrence: EventOccurrence, now: number): void {
    this.forgetOld(now)
    const key = keyOf(occurrence)
    const old = this.#events.get(key)
    // To the end of the order.
    this.#events.delete(key)
    const event: RecordedEvent =
      old === undefined
        ? {
            ...occurrence,
            name: `${occurrence.involvedObject.name}.${nextSuffix(now)}`,
            uid: randomUUID(),
            firstTime: now,
            lastTime: now,
            count: 1,
          }
        : { ...old, lastTime: now, count: old.count + 1 }
    this.restore(event)
  }

  /** Takes it as it is; the newest that there is. */
  restore(event: RecordedEvent): void {
    this.#events.set(keyOf(event), event)
    this.#onChange('set', event)
    if (this.#events.size > maxEvents) this.#forgetOldest()
  }

  forgetOld(now: number): void {
    for (const { lastTime } of this.#events.values()) {
      if (lastTime > now - ttlMs) break
      this.#forgetOldest()
    }
  }

  #forgetOldest(): void {
    const [oldest] = this.#events
    if (oldest === undefined) return
    const [key, event] = oldest
    this.#events.delete(key)
    this.#onChange('delete', event)
  }
}

/** What makes events equal. */
function keyOf(occurrence: EventOccurrence): string {
  const { type, reason, message, involvedObject } = occurrence
  return JSON.stringify([type, reason, message, involvedObject])
}

let lastSuffix = 0n

/** The time in nanoseconds in hexadecimal, as client-go; never the same one twice. */
function nextSuffix(now: number): string {
  const wanted = BigInt(Math.round(now)) * 1_000_000n
  lastSuffix = wanted > lastSuffix ? wanted : lastSuffix + 1n
  return lastSuffix.toString(16)
}
