/** Keeps the first bytes of what several streams say, in the order in which they come. */
export class CappedOutput {
  readonly #limit: number
  readonly #chunks: Buffer[] = []
  #length = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  add(chunk: Buffer): void {
    const kept = chunk.subarray(0, this.#limit - this.#length)
    if (kept.length === 0) return
    this.#chunks.push(kept)
    this.#length += kept.length
  }

  toString(): string {
    return Buffer.concat(this.#chunks).toString('utf8')
  }
}
