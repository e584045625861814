import type { Finding } from '../../api/report.ts'
import type { Position } from '../../api/types.ts'
import { foundFile, type FoundFile } from '../found-file.ts'
import type { WatchPoints } from '../watch-points.ts'

/** What a rendering is made from. */
export class RenderingFiles {
  readonly points: WatchPoints
  readonly #files = new Map<string, FoundFile>()
  readonly #remote = new Map<string, Finding>()
  readonly #hidden = new Set<string>()

  /** Gets the points at which a change may concern the rendering. */
  constructor(points: WatchPoints) {
    this.points = points
  }

  get files(): readonly FoundFile[] {
    return [...this.#files.values()]
  }

  /** What is rendered without being followed. */
  get remote(): readonly Finding[] {
    return [...this.#remote.values()]
  }

  async add(path: string): Promise<void> {
    if (!this.#files.has(path))
      this.#files.set(path, await foundFile(path, this.points))
  }

  addRemote(name: string, position: Position): void {
    this.#remote.set(name, {
      treatment: 'warning',
      position,
      message: `${name} is rendered as it is now and not followed: it is on another machine`,
    })
  }

  /** A text, or a `NAME=TEXT`, that is not for a person's eyes. */
  hide(text: string): void {
    for (const part of [text, text.slice(text.indexOf('=') + 1)])
      if (part.trim().length > 2) this.#hidden.add(part.trim())
  }

  /** The words without what is hidden. */
  withoutHidden(words: string): string {
    return [...this.#hidden]
      .sort((a, b) => b.length - a.length)
      .reduce((left, text) => left.replaceAll(text, '***'), words)
  }
}
