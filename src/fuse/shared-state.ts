/** What the two threads of the server share: words, each written by one of them. */
const ADMITTED_PID = 0
const STOPPING = 1
const NODES = 2
const ACTIVE = 3
const COUNTS_AT = 16
const OPCODES = 64

export class SharedState {
  readonly memory: SharedArrayBuffer
  readonly #words: Int32Array

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory
    this.#words = new Int32Array(memory)
  }

  static create(): SharedState {
    return new SharedState(new SharedArrayBuffer(4 * (COUNTS_AT + OPCODES)))
  }

  /** 0: nobody. */
  get admittedPid(): number {
    return Atomics.load(this.#words, ADMITTED_PID)
  }

  set admittedPid(pid: number) {
    Atomics.store(this.#words, ADMITTED_PID, pid)
  }

  get stopping(): boolean {
    return Atomics.load(this.#words, STOPPING) !== 0
  }

  stop(): void {
    Atomics.store(this.#words, STOPPING, 1)
  }

  activate(): void {
    Atomics.store(this.#words, ACTIVE, 1)
    Atomics.notify(this.#words, ACTIVE)
  }

  /** Blocks this thread until the other one serves. */
  waitUntilActive(): void {
    Atomics.wait(this.#words, ACTIVE, 0)
  }

  /** How many nodes the tree has, those without a name that are still open included. */
  get nodes(): number {
    return Atomics.load(this.#words, NODES)
  }

  set nodes(count: number) {
    // Asked with every request, and seldom another one.
    if (this.#words[NODES] !== count) Atomics.store(this.#words, NODES, count)
  }

  count(opcode: number): void {
    if (opcode >= OPCODES) return
    const at = COUNTS_AT + opcode
    // Not atomic: only this thread counts, and the other one may see it later.
    this.#words[at] = (this.#words[at] ?? 0) + 1
  }

  countOf(opcode: number): number {
    return Atomics.load(this.#words, COUNTS_AT + opcode) >>> 0
  }
}
