import { constants, existsSync, readFileSync } from 'node:fs'
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { flock } from '../../../linux/flock.ts'
import { ownNamespace } from './attachment-file.ts'
import {
  type NetworkList,
  ownBridge,
  ownNetworkList,
  parseNetworkList,
} from './network-list.ts'
import { runCommand } from '../../../linux/run-command.ts'
import { chooseSubnet, routedNets } from './subnets.ts'

/*
 * podfs's own network: one bridge for all podfs of this machine, there while it has Pods. Whoever
 * connects a Pod holds a lock that others may hold, too; whoever makes the network or takes it away
 * holds it alone. The kernel drops it with its process.
 *
 *   DIRECTORY/NETNS/lock
 *   DIRECTORY/NETNS/podfs.conflist   while the network may be there
 *   DIRECTORY/NETNS/addresses/       host-local's
 *
 * NETNS is the network namespace that podfs is in: another one has other routes and another bridge.
 */

/** Works with the network, which is made if need be, and stays for as long as that takes. */
export async function withOwnNetwork<T>(
  parent: string,
  work: (list: NetworkList) => Promise<T>,
): Promise<T> {
  const directory = directoryOf(parent)
  for (;;) {
    const done = await locked(directory, '--shared', async () => {
      const list = await readList(directory)
      return list === undefined ? undefined : { result: await work(list) }
    })
    if (done !== undefined) return done.result
    await locked(directory, '--exclusive', () => makeNetwork(directory))
  }
}

/** Takes it away when no Pod is connected to it. */
export async function retireOwnNetwork(parent: string): Promise<void> {
  const directory = directoryOf(parent)
  if (!existsSync(listFile(directory))) return
  await locked(directory, '--exclusive', async () => {
    if (await hasPods()) return
    // Without one this says so, and nothing is wrong.
    await runCommand('ip', ['link', 'del', 'dev', ownBridge])
    await rm(addressesIn(directory), { recursive: true, force: true })
    await rm(listFile(directory), { force: true })
  })
}

/** What is written down of podfs's own network, in the network namespace that this process is in. */
function directoryOf(parent: string): string {
  return path.join(parent, String(ownNamespace()))
}

function listFile(directory: string): string {
  return path.join(directory, 'podfs.conflist')
}

function addressesIn(directory: string): string {
  return path.join(directory, 'addresses')
}

async function locked<T>(
  directory: string,
  mode: '--shared' | '--exclusive',
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const file = await open(
    path.join(directory, 'lock'),
    constants.O_RDWR | constants.O_CREAT,
    0o600,
  )
  try {
    await flock(file.fd, [mode])
    return await work()
  } finally {
    await file.close()
  }
}

async function readList(directory: string): Promise<NetworkList | undefined> {
  const file = listFile(directory)
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : parseNetworkList(text, file)
}

async function makeNetwork(directory: string): Promise<void> {
  if ((await readList(directory)) !== undefined) return
  // Of one that nobody has written down, or of podfs in a machine that had another /run.
  if (!(await hasPods()))
    await runCommand('ip', ['link', 'del', 'dev', ownBridge])
  const subnet =
    (await subnetOfBridge()) ??
    chooseSubnet(
      routedNets(readFileSync('/proc/self/net/route', 'utf8'), ownBridge),
    )
  if (subnet === undefined)
    throw new Error(
      'no private subnet is left for the network of Pods: this machine has routes to all of them',
    )
  const list = ownNetworkList({
    subnet,
    dataDir: addressesIn(directory),
    hasFirewall: await forwardsNothing(),
  })
  const file = listFile(directory)
  await writeFile(`${file}.new`, JSON.stringify(list), { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** Whether anything is connected to the bridge. */
async function hasPods(): Promise<boolean> {
  const args = ['-oneline', 'link', 'show', 'master', ownBridge]
  const { ok, stdout } = await runCommand('ip', args)
  return ok && stdout.trim() !== ''
}

async function subnetOfBridge(): Promise<string | undefined> {
  const args = ['-oneline', '-4', 'address', 'show', 'dev', ownBridge]
  const { stdout } = await runCommand('ip', args)
  const [, address] = / inet ([\d.]+\/\d+) /.exec(stdout) ?? []
  if (address === undefined) return undefined
  const route = await runCommand('ip', [
    '-oneline',
    '-4',
    'route',
    'show',
    'dev',
    ownBridge,
  ])
  return /^([\d.]+\/\d+) /m.exec(route.stdout)?.[1]
}

/** Docker, for one, has everything dropped that no rule allows (iptables(8), "policy"). */
async function forwardsNothing(): Promise<boolean> {
  const { stdout } = await runCommand('iptables', ['-w', '-S', 'FORWARD'])
  return /^-P FORWARD DROP$/m.test(stdout)
}
