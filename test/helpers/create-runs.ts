import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { CreateCase } from '../fixtures/create/cases.ts'
import { type Output, outputTo } from '../../src/cli/output.ts'
import { runProgram } from '../../src/cli/program.ts'
import { systemClock } from '../../src/util/clock.ts'

/** What a call of `create` gave; of stderr the first line. */
export interface Outcome {
  readonly ok: boolean
  readonly stdout: string
  readonly error: string
}

const pems = path.resolve('test/fixtures/create/pem')

function argsOf(kase: CreateCase): string[] {
  const format = kase.args.some(arg => arg.startsWith('-o'))
    ? []
    : ['-o', 'yaml']
  return ['create', ...kase.args, '--dry-run=client', ...format]
}

/** Calls back with a directory that has the case's files, and the certificates. */
async function inItsDirectory<T>(
  kase: CreateCase,
  call: (cwd: string) => T | Promise<T>,
): Promise<T> {
  const cwd = mkdtempSync(path.join(tmpdir(), 'podfs-create-'))
  try {
    if (kase.args.includes('tls')) cpSync(pems, cwd, { recursive: true })
    for (const [name, content] of Object.entries(kase.files ?? {})) {
      const file = path.join(cwd, name)
      mkdirSync(path.dirname(file), { recursive: true })
      writeFileSync(
        file,
        typeof content === 'string'
          ? content
          : Buffer.from(content.base64, 'base64'),
      )
    }
    return await call(cwd)
  } finally {
    rmSync(cwd, { recursive: true })
  }
}

export async function askKubectl(
  kubectl: string,
  kase: CreateCase,
): Promise<Outcome> {
  return await inItsDirectory(kase, cwd => {
    const { stdout, stderr, status, error } = spawnSync(kubectl, argsOf(kase), {
      cwd,
      // No cluster is asked, and none may be found.
      env: {
        PATH: process.env['PATH'],
        HOME: cwd,
        KUBECONFIG: '/dev/null',
        ...kase.env,
      },
      encoding: 'utf8',
    })
    if (error !== undefined) throw error
    return { ok: status === 0, stdout, error: firstLine(stderr) }
  })
}

export async function askPodfs(kase: CreateCase): Promise<Outcome> {
  return await inItsDirectory(kase, async cwd => {
    const { code, stdout, stderr } = await podfsHere(argsOf(kase), {
      cwd,
      env: { ...kase.env },
    })
    const error = code === 0 ? '' : firstLine(stderr)
    return { ok: code === 0, stdout, error }
  })
}

/** podfs in this process, so that hundreds of calls take no time. */
export async function podfsHere(
  args: readonly string[],
  { cwd, env = {} }: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<{ code: number; stdout: string; stderr: string }> {
  const seen = { stdout: '', stderr: '' }
  const output = (name: keyof typeof seen): Output =>
    outputTo({
      write: bytes => (seen[name] += Buffer.from(bytes).toString('utf8')),
    })
  const code = await runProgram(
    {
      stdout: output('stdout'),
      stderr: output('stderr'),
      logFd: 2,
      stderrIsTerminal: false,
      colour: false,
      env,
      uid: 1000,
      cwd,
      argv: args,
      clock: systemClock,
      onSignal: () => () => {},
    },
    'test',
  )
  return { code, ...seen }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? ''
}
