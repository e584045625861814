import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import {
  changeAddresses,
  newLabel,
  removeAddressesOf,
} from '../../../linux/lo-addresses.ts'
import { systemPath, type MachineTools } from '../../../linux/machine-tools.ts'
import {
  ownNamespace,
  writeAttachment,
  type WrittenPasta,
} from './attachment-file.ts'
import { type Connecting, ifName, wishes } from './cni-network.ts'
import type { PastaProvider, Port, PortMapping } from './network-provider.ts'
import { chooseSubnet, routedNets, wantedAddress } from './subnets.ts'
import { whyPortTaken } from './taken-ports.ts'

/*
 * A network by pasta(1), of the package passt: it has an interface in the Pod's namespace, and makes
 * the Pod's connections as its own. The Pod's address is one of the machine's as well, on lo, at
 * which pasta listens for the Pod; so other Pods get there as the machine does. It has a label of
 * its own there, by which it is found again.
 */

/** What serves a Pod. */
export interface Pasta {
  readonly address: string
  /** Resolves when it has ended, whatever the reason. */
  readonly ended: Promise<void>
  end(): Promise<void>
}

/** Connects a Pod whose namespace is open as `namespace`. */
export async function connectByPasta(
  provider: PastaProvider,
  { tools, file, network, abort }: Connecting,
  namespace: number,
): Promise<Pasta> {
  const { name, portMappings, ports } = network
  const containerID = randomBytes(32).toString('hex')
  const attachment: WrittenPasta = {
    containerID,
    label: newLabel(),
    portMappings,
    machine: ownNamespace(),
    pod: `${network.namespace}/${name}`,
  }
  writeAttachment(file, attachment)
  const taken = await whyPortTaken(path.dirname(provider.directory), attachment)
  if (taken !== undefined) throw new Error(taken)
  const { address, gateway, bits } = await takeAddress(
    network.namespace,
    name,
    attachment,
  )
  const options = [
    ['--ns-ifname', ifName],
    ['--address', address, '--netmask', String(bits), '--gateway', gateway],
    forwarded('--tcp-ports', 'TCP', address, ports, portMappings),
    forwarded('--udp-ports', 'UDP', address, ports, portMappings),
  ].flat()
  const pasta = await startPasta(tools, [provider.program, ...options], {
    namespace,
    pidFile: path.join(path.dirname(file), 'pasta.pid'),
    abort,
  })
  return { address, ...pasta }
}

/** Pure: the ports at which pasta listens for a Pod. */
export function forwarded(
  option: string,
  protocol: string,
  address: string,
  ports: readonly Port[],
  mappings: readonly PortMapping[],
): string[] {
  const own = new Set(
    [...ports, ...mappings]
      .filter(port => port.protocol === protocol)
      .map(({ containerPort }) => containerPort),
  )
  const specs = [
    ...(own.size === 0 ? [] : [`${address}/${[...own].join(',')}`]),
    ...mappings
      .filter(mapping => mapping.protocol === protocol)
      .map(
        ({ hostIP, hostPort, containerPort }) =>
          `${hostIP === undefined ? '' : `${hostIP}/`}${hostPort}:${containerPort}`,
      ),
  ]
  return specs.length === 0
    ? [option, 'none']
    : specs.flatMap(spec => [option, spec])
}

/** The kernel gives an address to one alone. */
async function takeAddress(
  namespace: string,
  name: string,
  { label }: WrittenPasta,
): Promise<{
  readonly address: string
  readonly gateway: string
  readonly bits: number
}> {
  const table = readFileSync('/proc/self/net/route', 'utf8')
  const subnet = chooseSubnet(routedNets(table, ''))
  if (subnet === undefined)
    throw new Error('no private subnet is left for the network of Pods')
  const [net = '', bits = ''] = subnet.split('/')
  let said = ''
  for (let attempt = 0; attempt < wishes * wishes; attempt += 1) {
    const address = wantedAddress({ subnet }, namespace, name, attempt)
    if (address === undefined) continue
    const failed = await changeAddresses(label, { add: [address], remove: [] })
    const gateway = net.replace(/\d+$/, '1')
    if (failed === undefined) return { address, gateway, bits: Number(bits) }
    said = failed
  }
  throw new Error(`no address for the Pod: ${said}`)
}

/** Nothing happens when it is not there. */
export async function freeAddressOf({ label }: WrittenPasta): Promise<void> {
  await removeAddressesOf(label)
}

/**
 * pasta for the network namespace that is open as `namespace`; it ends with this process. Resolves
 * when it serves, and rejects with what it says.
 */
export async function startPasta(
  tools: Pick<MachineTools, 'setpriv' | 'unshare' | 'sh'>,
  [program = '', ...more]: readonly string[],
  {
    namespace,
    pidFile,
    resolvConf = '',
    abort,
  }: {
    readonly namespace: number
    readonly pidFile: string
    /** What it takes for /etc/resolv.conf, if that is another file. */
    readonly resolvConf?: string
    readonly abort: AbortSignal
  },
): Promise<Omit<Pasta, 'address'>> {
  rmSync(pidFile, { force: true })
  const command = [
    program,
    // Else as nobody, who may not enter the namespace; it gives up its rights by itself.
    ['--foreground', '--stderr', '--quiet', '--runas', '0', '--pid', pidFile],
    ['--netns-only', '--netns', '/proc/self/fd/3'],
    ['--config-net', '--ipv4-only', '--no-map-gw'],
    // Nothing of the machine is at the namespace's localhost.
    ['--tcp-ns', 'none', '--udp-ns', 'none'],
    more,
  ].flat()
  const child = spawn(
    tools.setpriv,
    [
      ['--pdeathsig', 'KILL', '--', tools.unshare],
      ['--pid', '--fork', '--kill-child'],
      resolvConf === '' ? [] : ['--mount'],
      ['--', tools.sh, '-c', pastaScript, 'podfs-pasta'],
      [pidFile, resolvConf, ...command],
    ].flat(),
    {
      cwd: '/',
      env: { PATH: systemPath, LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'pipe', namespace],
      detached: true,
    },
  )
  child.stdin?.on('error', () => undefined)
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = new Promise<void>(resolve => {
    child.once('error', () => resolve())
    child.once('close', () => resolve())
  })
  const end = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    rmSync(pidFile, { force: true })
  }
  const kill = (): void => {
    child.kill('SIGKILL')
  }
  abort.addEventListener('abort', kill, { once: true })
  if (abort.aborted) kill()
  try {
    const isReady = await Promise.race([
      once(child.stdout as NonNullable<typeof child.stdout>, 'data').then(
        () => true,
      ),
      ended.then(() => false),
    ])
    if (isReady) return { ended, end }
    throw new Error(`pasta: ${messageIn(said) || 'it ended at once'}`)
  } catch (error) {
    await end()
    throw error
  } finally {
    abort.removeEventListener('abort', kill)
  }
}

/** Where there is no syslog it complains of each line that it would write there. */
function messageIn(said: string): string {
  return said
    .split('\n')
    .filter(line => line !== '' && !line.includes('syslog'))
    .join('; ')
}

/**
 * In a PID namespace that ends with podfs, whatever pasta makes of its rights (a change of those
 * clears a parent-death signal). It writes its pid when it serves. The end of the standard input is
 * podfs's, too: that may have died before anybody had asked for a parent-death signal.
 */
export const pastaScript = [
  'file=$1 resolv=$2',
  'shift 2',
  '[ -z "$resolv" ] || mount -n --bind "$resolv" /etc/resolv.conf || exit 1',
  "trap 'exit 1' USR1",
  '{ "$@"; echo failed > "$file"; kill -USR1 $$; } &',
  // The next podfs may have taken it away.
  'until [ -s "$file" ]; do [ -d "${file%/*}" ] || exit 1; sleep 0.02; done',
  'read -r word < "$file"',
  '[ "$word" != failed ] || exit 1',
  'echo ready',
  'read -r end',
].join('\n')
