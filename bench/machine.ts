import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, cpus, loadavg, release, totalmem } from 'node:os'

/** What the figures depend on, a line each. */
export function describeMachine(
  client: string,
  node = process.execPath,
): string[] {
  const processors = cpus()
  const [load = 0] = loadavg()
  const distribution =
    /^PRETTY_NAME="(.*)"$/m.exec(
      readFileSync('/etc/os-release', 'utf8'),
    )?.[1] ?? 'unknown distribution'
  return [
    `${processors.length} x ${processors[0]?.model ?? arch()}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release()}, ${distribution}`,
    `Node ${execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()}`,
    `system calls measured by a client in ${client}`,
    `${new Date().toISOString().slice(0, 10)}, load average ${load.toFixed(1)} before the run`,
  ]
}
