import { spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Bench } from './bench.ts'
import { pin } from './pin.ts'
import type { Person } from './trees/user.ts'

const compiler = 'gcc'

/** The calls that client.c and node-client.ts know. */
export type Call = 'read' | 'stat' | 'readlink' | 'readdir' | 'pread' | 'mmap'

/** A reader that waits; it runs when the promise of it resolves. */
export interface Waiter {
  /** The next time that it saw what it waits for: CLOCK_MONOTONIC, nanoseconds. */
  next(): Promise<bigint>
  close(): Promise<void>
}

/**
 * The reader, always a process of its own: one that lived in the benchmark would share its
 * event loop and its garbage collector with the writer it measures.
 */
export class Client {
  /** Stands in docs/performance.md beside the figures. */
  readonly language: 'C' | 'Node'
  readonly #bench: Bench
  readonly #argv: readonly [string, ...string[]]
  readonly #pinned: boolean

  constructor(
    bench: Bench,
    language: 'C' | 'Node',
    argv: readonly [string, ...string[]],
    pinned = false,
  ) {
    this.#bench = bench
    this.language = language
    this.#argv = argv
    this.#pinned = pinned
  }

  /** The same client on the core that `pin` uses. */
  get pinned(): Client {
    return new Client(this.#bench, this.language, this.#argv, true)
  }

  /** The same client as somebody else runs it, from a directory that this person can enter. */
  of({ wrapper, home }: Pick<Person, 'wrapper' | 'home'>): Client {
    const [command, ...words] = this.#argv.map(word => {
      if (!path.isAbsolute(word) || word === process.execPath) return word
      const copy = path.join(home, path.basename(word))
      copyFileSync(word, copy)
      return copy
    })
    const argv: [string, ...string[]] = [
      ...wrapper,
      command as string,
      ...words,
    ]
    return new Client(this.#bench, this.language, argv, this.#pinned)
  }

  /** Nanoseconds of each of `count` calls, warm. */
  async measure(call: Call, count: number, file: string): Promise<number[]> {
    return await this.#numbers([call, String(count), file])
  }

  /** Nanoseconds of the first open, read and close of each file. */
  async measureCold(files: readonly string[]): Promise<number[]> {
    return await this.#numbers(['cold', '1', ...files])
  }

  /** Sees each MOVED_TO of `..data` in the directory. */
  async watch(directory: string): Promise<Waiter> {
    return await this.#wait(['watch', directory])
  }

  /** Sees, once, that every file begins with the text; a file may not be there yet. */
  async awaitText(text: string, files: readonly string[]): Promise<Waiter> {
    return await this.#wait(['await', text, ...files])
  }

  async #numbers(args: readonly string[]): Promise<number[]> {
    const child = this.#start(args)
    const chunks: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
    const [status] = (await once(child, 'close')) as [number | null]
    if (status !== 0) throw new Error(`client ${args.join(' ')}: ${status}`)
    const bytes = Buffer.concat(chunks)
    const numbers: number[] = []
    for (let at = 0; at < bytes.length; at += 4)
      numbers.push(bytes.readUInt32LE(at))
    return numbers
  }

  async #wait(args: readonly string[]): Promise<Waiter> {
    const child = this.#start(args)
    const lines = createInterface({
      input: child.stdout as NodeJS.ReadableStream,
    })[Symbol.asyncIterator]()
    const line = async (): Promise<string> => {
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`client ${args[0]} ended early`)
      return value
    }
    await line() // ready
    return {
      next: async () => BigInt(await line()),
      close: () => this.#bench.end(child),
    }
  }

  #start(args: readonly string[]): ChildProcess {
    const [command, ...before] = this.#argv
    const child = this.#bench.spawn(command, [...before, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (this.#pinned) pin(child.pid)
    return child
  }
}

/** The client in C where there is a compiler, else this same bundle as a Node client. */
export function buildClient(bench: Bench): Client {
  const program = path.join(bench.scratch, 'client')
  const { status } = spawnSync(compiler, [
    '-O2',
    '-o',
    program,
    path.resolve('bench/c/client.c'),
  ])
  if (status === 0) return new Client(bench, 'C', [program])
  console.log('no working gcc: system calls are measured by a Node client')
  const script = process.argv[1] as string
  return new Client(bench, 'Node', [process.execPath, script, 'client'])
}
