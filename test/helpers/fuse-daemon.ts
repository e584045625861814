import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import type { Test } from 'tap'
import { stopAbandonedMount } from '../../src/fuse/mount/stop-abandoned-mount.ts'
import { makeTemporaryDirectory } from './fuse-mount.ts'

export interface TestDaemon {
  readonly process: ChildProcess
  readonly pid: number
  readonly serverPid: number
  readonly keeperPid: number
  readonly directory: string
  readonly publicPath: string
  readonly root: string
  /** The next line that it prints. */
  nextLine(): Promise<string>
}

/** A daemon in a process of its own, to be killed: fixtures/fuse-daemon.ts. */
export async function startDaemon(
  t: Test,
  lifetime: 'run' | 'mount' | 'detach',
): Promise<TestDaemon> {
  const script = buildFixture(t, 'fuse-daemon')
  const root = makeTemporaryDirectory(t)
  const directory = join(root, 'runtime')
  const publicPath = join(root, 'public')
  await mkdir(directory, { mode: 0o700 })
  await mkdir(publicPath)
  const child = spawn(
    process.execPath,
    [script, directory, publicPath, lifetime],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await stopAbandonedMount(directory)
  })
  const lines = createInterface({ input: child.stdout })
  const nextLine = async (): Promise<string> => {
    const [line] = (await once(lines, 'line')) as [string]
    return line
  }
  const facts = JSON.parse(await nextLine()) as {
    serverPid: number
    keeperPid: number
  }
  return {
    process: child,
    pid: child.pid as number,
    ...facts,
    directory,
    publicPath,
    root,
    nextLine,
  }
}

/** The script of a fixture. In the package's tree, so that it finds dist/. */
export function buildFixture(t: Test, name: string): string {
  const here = dirname(fileURLToPath(import.meta.url))
  const script = join(t.testdir({}), `${name}.mjs`)
  buildSync({
    entryPoints: [join(here, `../fixtures/${name}.ts`)],
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile: script,
    logLevel: 'error',
  })
  return script
}
