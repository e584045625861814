import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { systemPath, type MachineTools } from '../../../linux/machine-tools.ts'

/**
 * Works with a network namespace that has an interface like that of a Pod whose own has gone: from
 * such a one plugins know what else they have made for it (bridge its rules of masquerading), and
 * without one they leave that. `netns`: empty where none can be made.
 */
export async function withStandIn<T>(
  tools: Pick<MachineTools, 'setpriv' | 'unshare' | 'sh'>,
  { ifName, addresses }: { ifName: string; addresses: readonly string[] },
  work: (netns: string) => Promise<T>,
): Promise<T> {
  const child = spawn(
    tools.setpriv,
    [
      ['--pdeathsig', 'KILL', '--', tools.unshare, '--net', '--'],
      [tools.sh, '-c', script, 'podfs-stand-in', ifName, ...addresses],
    ].flat(),
    {
      cwd: '/',
      env: { PATH: systemPath, LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    },
  )
  child.stdin.on('error', () => undefined)
  const ended = once(child, 'close').catch(() => undefined)
  try {
    const ready = await Promise.race([
      once(child.stdout, 'data').then(() => true),
      ended.then(() => false),
    ])
    return await work(ready ? `/proc/${child.pid}/ns/net` : '')
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

/** A pair: any other kind of interface may want a module of the kernel that is not there. */
const script = [
  'set -e',
  'name=$1',
  'shift',
  'ip link add "$name" type veth peer name podfs-peer',
  'for address; do ip address add "$address" dev "$name"; done',
  'echo ready',
  'read -r end || :',
].join('\n')
