/** What the two threads of the server share: words, each written by one of them. */
const ADMITTED_PID = 0
const STOPPING = 1
const NODES = 2
const ACTIVE = 3
/** Odd while the serving thread is at work, another number with each request. */
const TURN = 4
/** 0: nobody looks at TURN. */
const WATCHED = 5
/** Of the last request; 0 before there is one. */
const OPCODE = 6
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
    // What comes before the first request is work, too.
    Atomics.store(this.#words, TURN, 1)
    Atomics.store(this.#words, WATCHED, 1)
    Atomics.store(this.#words, ACTIVE, 1)
    Atomics.notify(this.#words, ACTIVE)
  }

  /** Blocks this thread until the other one serves. */
  waitUntilActive(): void {
    Atomics.wait(this.#words, ACTIVE, 0)
  }

  /** The serving thread begins with a request; `wake` is called when nobody looks. */
  beginTurn(opcode: number, wake: () => void): void {
    this.#words[OPCODE] = opcode
    // Atomic, as is the other thread's `rest`: one of the two sees what the other one did.
    Atomics.store(this.#words, TURN, ((this.#words[TURN] ?? 0) + 1) | 0)
    if (Atomics.load(this.#words, WATCHED) !== 0) return
    if (Atomics.exchange(this.#words, WATCHED, 1) === 0) wake()
  }

  /** The serving thread has nothing to do. */
  endTurn(): void {
    // Not atomic: the other thread may see it later.
    this.#words[TURN] = ((this.#words[TURN] ?? 0) + 1) | 0
  }

  /** Another number with each request and its end. */
  get turn(): number {
    return Atomics.load(this.#words, TURN)
  }

  /** Of the request that it works on, or the last one. */
  get opcode(): number {
    return Atomics.load(this.#words, OPCODE)
  }

  /** The control thread stops looking until `wake`; false when the other went on since `turn`. */
  rest(turn: number): boolean {
    Atomics.store(this.#words, WATCHED, 0)
    if (this.turn === turn) return true
    // Else it has called `wake`.
    return Atomics.compareExchange(this.#words, WATCHED, 0, 1) !== 0
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
