import {
  spawn,
  spawnSync,
  type ChildProcess,
  type SpawnOptions,
} from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buildClient, type Client } from './client.ts'

type Step = () => Promise<void> | void

/**
 * What all rows share: a scratch directory, the reader, and the duty to leave nothing behind.
 * What a row starts it registers with `defer`; `close` undoes it in reverse order, and what
 * is left even so (Ctrl-C in the middle of a row) goes when the process exits.
 */
export class Bench {
  /** How often A B is repeated. */
  readonly rounds: number
  readonly scratch: string
  /** The node that runs podfs. */
  readonly node: string
  readonly podfs: string
  readonly client: Client
  readonly #steps: Step[] = []
  readonly #children = new Set<ChildProcess>()
  #names = 0

  constructor(rounds: number, node = process.execPath) {
    this.rounds = rounds
    this.node = node
    this.scratch = mkdtempSync(path.join(tmpdir(), 'podfs-bench-'))
    process.on('exit', () => this.#removeScratch())
    this.podfs = path.join(this.#buildFor(node), 'podfs.cjs')
    this.client = buildClient(this)
  }

  /** A new directory, 0700. */
  directory(name: string): string {
    const directory = path.join(this.scratch, `${name}-${this.#names++}`)
    mkdirSync(directory, { mode: 0o700 })
    return directory
  }

  spawn(
    command: string,
    args: readonly string[],
    options: SpawnOptions = {},
  ): ChildProcess {
    const child = spawn(command, args, options)
    this.#children.add(child)
    child.on('exit', () => this.#children.delete(child))
    // Without a listener a missing program would end the benchmark; `exit` callers see it.
    child.on('error', () => this.#children.delete(child))
    return child
  }

  /** Starts podfs itself. Its stderr is shown, as it says why a mount failed. */
  spawnPodfs(...args: readonly string[]): ChildProcess {
    return this.spawn(this.node, [this.podfs, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  }

  /** SIGTERM, and the end of it. */
  async end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  }

  defer(step: Step): void {
    this.#steps.push(step)
  }

  /** Undoes what was registered since; a row calls it through main.ts. */
  async close(): Promise<void> {
    for (const step of this.#steps.splice(0).toReversed())
      try {
        await step()
      } catch (error) {
        console.error(`cleaning up: ${String(error)}`)
      }
  }

  /** Each version of Node has a code cache of its own, made when podfs is built or installed. */
  #buildFor(node: string): string {
    const built = path.resolve('dist')
    if (node === process.execPath) return built
    const own = path.join(this.scratch, 'dist')
    cpSync(built, own, { recursive: true })
    const { status, stderr, error } = spawnSync(
      node,
      ['src/loader/code-cache.mjs', own],
      { encoding: 'utf8' },
    )
    if (status !== 0)
      throw new Error(`${node} does not run: ${error?.message ?? stderr}`)
    return own
  }

  #removeScratch(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const point of mountsBelow(this.scratch).toReversed())
      spawnSync('umount', ['-l', point])
    rmSync(this.scratch, { recursive: true, force: true })
  }
}

/** In the order of mounting. */
function mountsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map(line => line.split(' ')[4] ?? '')
    .filter(point => point.startsWith(`${directory}/`))
}

/** Resolves with the output so far once it is enough; rejects when the process ends before. */
export async function untilPrinted(
  child: ChildProcess,
  enough: (text: string) => boolean,
): Promise<string> {
  let text = ''
  return await new Promise((resolve, reject) => {
    child.stdout?.on('data', chunk => {
      text += String(chunk)
      if (enough(text)) resolve(text)
    })
    child.on('error', reject)
    child.on('close', () => reject(new Error(`ended early: ${text}`)))
  })
}
