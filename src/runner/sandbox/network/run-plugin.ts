import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { systemPath, type MachineTools } from '../../../linux/machine-tools.ts'
import type { CniResult, PluginCall } from './cni-call.ts'

/** Those that wait for an answer of the network (dhcp) take long, none takes for ever. */
const longestMs = 120_000

/** Where a plugin is; undefined: in none of the directories. */
export function findPlugin(
  type: string,
  binDirs: readonly string[],
): string | undefined {
  return binDirs
    .map(directory => path.join(directory, type))
    .find(file => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/**
 * Runs a plugin, which ends with this process. Resolves with its result, an empty one but of an
 * ADD; rejects with what it says, in the words of libcni. `abort` kills it.
 */
export async function runPlugin(
  tools: Pick<MachineTools, 'setpriv'>,
  binDirs: readonly string[],
  { command, type, env, config }: PluginCall,
  abort?: AbortSignal,
): Promise<CniResult> {
  const failed = (why: string): Error =>
    new Error(`plugin type="${type}" failed (${command.toLowerCase()}): ${why}`)
  const program = findPlugin(type, binDirs)
  if (program === undefined)
    throw failed(
      `failed to find plugin "${type}" in path [${binDirs.join(' ')}]`,
    )
  const child = spawn(tools.setpriv, ['--pdeathsig', 'KILL', '--', program], {
    cwd: '/',
    env: { PATH: systemPath, LC_ALL: 'C', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C at the terminal is for podfs to handle.
    detached: true,
  })
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]
      .setEncoding('utf8')
      .on('data', (text: string) => (said[stream] += text))
  // One that has ended before it has read it.
  child.stdin.on('error', () => undefined)
  child.stdin.end(config)
  const limit = AbortSignal.timeout(longestMs)
  const kill = (): void => {
    child.kill('SIGKILL')
  }
  for (const signal of [abort, limit])
    signal?.addEventListener('abort', kill, { once: true })
  if (abort?.aborted === true) kill()
  try {
    const code = await new Promise<number | NodeJS.Signals>(
      (resolve, reject) => {
        child.on('error', reject)
        child.on('close', (code, signal) => resolve(code ?? signal ?? 1))
      },
    )
    // Only of an ADD is what it prints a result.
    if (code === 0)
      return command === 'ADD' ? resultIn(said.stdout, failed) : {}
    if (limit.aborted)
      throw failed(`it has not ended within ${longestMs / 1000} s`)
    throw failed(whyFailed(code, said))
  } finally {
    abort?.removeEventListener('abort', kill)
    limit.removeEventListener('abort', kill)
  }
}

function resultIn(stdout: string, failed: (why: string) => Error): CniResult {
  try {
    return JSON.parse(stdout) as CniResult
  } catch (error) {
    throw failed(`its result is no JSON: ${(error as Error).message}`)
  }
}

/** An error is JSON on standard output (containernetworking/cni, SPEC, v1.0: "Error"). */
function whyFailed(
  code: number | NodeJS.Signals,
  { stdout, stderr }: { readonly stdout: string; readonly stderr: string },
): string {
  try {
    const { msg, details } = JSON.parse(stdout) as {
      readonly msg?: string
      readonly details?: string
    }
    if (msg) return [msg, ...(details ? [details] : [])].join('; ')
  } catch {
    // It has said something else, or nothing.
  }
  const text = [stdout, stderr].map(each => each.trim()).filter(Boolean)
  return [
    typeof code === 'number' ? `exit code ${code}` : `killed by ${code}`,
    ...text,
  ].join(': ')
}
