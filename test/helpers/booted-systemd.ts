import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
} from 'node:fs'
import path from 'node:path'
import type { Test } from 'tap'
import { foreignCapability, needsRoot } from './capability.ts'
import { eventually } from './podfs.ts'

/*
 * A systemd of the test's own, as PID 1 of namespaces of its own: test/fixtures/boot-systemd.sh.
 */

export interface Done {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface BootedSystemd {
  /** Runs a script of sh there, as root. */
  readonly sh: (script: string) => Promise<Done>
}

/** Why no systemd can be booted here, or false. Containers often lack what it takes. */
export function cannotBoot(): string | false {
  const lack = needsRoot('machine')
  if (lack !== false) return lack
  if (!existsSync('/lib/systemd/systemd'))
    return foreignCapability('/lib/systemd/systemd')
  return cgroupRoot() === undefined ? 'needs cgroup v2' : false
}

function cgroupRoot(): string | undefined {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return mounts
    .find(line => line.includes(' - cgroup2 ') && / rw,/.test(line))
    ?.split(' ')[4]
}

export async function bootSystemd(t: Test): Promise<BootedSystemd> {
  const cgroup = path.join(cgroupRoot() ?? '', `podfs-test-${process.pid}`)
  mkdirSync(cgroup)
  const boot = ['bash', 'test/fixtures/boot-systemd.sh', t.testdir({}), cgroup]
  // It ends when this process is killed, too.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...boot], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
    await eventually(() => isGone(cgroup))
  })

  const { pid } = child
  const sh = (script: string): Promise<Done> =>
    new Promise(resolve => {
      const [first] = readFileSync(
        `/proc/${pid}/task/${pid}/children`,
        'latin1',
      ).split(' ')
      // tap's loaders: a path to them need not lead anywhere there.
      const clean = ['env', '-u', 'NODE_OPTIONS', 'sh', '-c', script]
      const args = [`--target=${first}`, '--all', '--', ...clean]
      execFile('nsenter', args, (error, stdout, stderr) => {
        const code = error === null ? 0 : Number(error.code ?? 1)
        resolve({ code, stdout, stderr })
      })
    })
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`systemd ended: ${said}`)
    const { stdout } = await sh('systemctl is-active podfs-test.target').catch(
      () => ({ stdout: '' }),
    )
    return stdout === 'active\n'
  })
  return { sh }
}

/** A cgroup goes when the last process in it has gone, its own cgroups first. */
function isGone(cgroup: string): boolean {
  try {
    for (const { name } of readdirSync(cgroup, { withFileTypes: true }).filter(
      entry => entry.isDirectory(),
    ))
      isGone(path.join(cgroup, name))
    rmdirSync(cgroup)
    return true
  } catch {
    return !existsSync(cgroup)
  }
}
