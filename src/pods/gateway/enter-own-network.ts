import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { findOnHost } from '../../linux/machine-tools.ts'
import { firstUnprivilegedPort } from '../../linux/unprivileged-ports.ts'
import {
  askGateway,
  gatewayFarewell,
} from '../../runner/sandbox/network/gateway-client.ts'
import { routedNets } from '../../runner/sandbox/network/subnets.ts'
import {
  gatewayNamespace,
  leftGateway,
  makeGatewayDirectory,
} from '../../session/gateway-directory.ts'
import { restartInside } from '../../session/own-namespace.ts'
import type { Places } from '../../session/places.ts'
import { ensurePrivateDirectory } from '../../session/private-directory.ts'
import { ownNamespace } from '../../session/user-namespace.ts'
import { Failure } from '../../util/failure.ts'
import { textOf } from '../../util/text-of.ts'
import { startProgram } from '../start-program.ts'
import { gatewayNet, machineFile, ownFile } from './gateway-net.ts'
import { gatewayResolvConf, machineResolvConf } from './gateway-resolv-conf.ts'

/** Nobody goes on with what this podfs has had there. */
export type LeaveNetwork = () => void

/** A podfs that is restarted is there again sooner. */
const servePatienceMs = 10_000

/**
 * For an ordinary user whose Pods are to have networks of their own: this program again, in a
 * network namespace of its own, in which it is root and all is as on a machine whose root it is. A
 * `podfs serve` goes on in that of the one before it, if that has left Pods. To be called before
 * anything has been begun; comes back inside, where a gateway leads to the machine. Throws a Failure
 * when that cannot be.
 */
export async function enterOwnNetwork(
  command: 'run' | 'serve',
  { runtime }: Pick<Places, 'runtime'>,
  tell: (text: string) => void,
): Promise<LeaveNetwork> {
  const { gateway } = ownNamespace() ?? {}
  if (gateway !== undefined) return await begin(gateway.directory, tell)
  ensurePrivateDirectory(runtime)
  const left = command === 'serve' ? leftGateway(runtime) : undefined
  const directory = left ?? (await startGateway(runtime, command))
  // What Node has made of pipes, which others have, too, it makes undone for a child.
  spawnSync('true', { stdio: 'inherit' })
  return await restartInside(
    left === undefined
      ? [tool('unshare'), '--net', '--', '/bin/sh', '-c', prepare].concat(
          'podfs-enter',
          ownFile(directory),
        )
      : [tool('nsenter'), `--net=${gatewayNamespace(directory)}`, '--'],
    { directory, firstPort: firstUnprivilegedPort() },
  )
}

/** $1 is there when the machine's name servers are not in reach. */
const prepare = `
file=$1
shift
ip link set dev lo up || exit 3
[ ! -e "$file" ] || mount -n --bind "$file" /etc/resolv.conf || exit 3
exec "$@"
`

async function begin(
  directory: string,
  tell: (text: string) => void,
): Promise<LeaveNetwork> {
  const { failed, noEgress, socket } = await askGateway(directory, {
    ask: 'begin',
    pid: process.pid,
  })
  if (failed !== undefined) throw new Failure('platform', failed)
  socket.unref()
  const tellLost = (): void =>
    tell(
      'the gateway to this machine is gone: no port of it leads to a Pod any more, and Pods reach nothing but one another; start podfs again',
    )
  socket.once('close', tellLost)
  if (noEgress !== undefined)
    tell(
      `network pod: Pods reach one another, but neither this machine nor what is beyond it: ${noEgress}`,
    )
  return () => {
    socket.off('close', tellLost)
    socket.end(`${gatewayFarewell}\n`)
  }
}

async function startGateway(
  runtime: string,
  command: 'run' | 'serve',
): Promise<string> {
  const directory = makeGatewayDirectory(runtime, command)
  const machine = machineResolvConf(textOf('/etc/resolv.conf') ?? '')
  writeFileSync(machineFile(directory), machine)
  const routes = routedNets(readFileSync('/proc/self/net/route', 'utf8'), '')
  const own = gatewayResolvConf(machine, gatewayNet(routes).nameserver)
  if (own !== undefined) writeFileSync(ownFile(directory), own)
  const patience = command === 'serve' ? servePatienceMs : 0
  return await startProgram(
    'gateway',
    ['gateway.cjs', directory, String(process.pid), String(patience)],
    async () => directory,
  )
}

function tool(name: string): string {
  const file = findOnHost(name)
  if (file !== undefined) return file
  throw new Failure('platform', `network pod: there is no ${name}(1)`, {
    fix: 'sudo apt-get install util-linux',
  })
}
