import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { MachineTools } from '../../../linux/machine-tools.ts'
import {
  ownNamespace,
  type WrittenCni,
  writeAttachment,
} from './attachment-file.ts'
import { add, del } from './cni.ts'
import { addressesOf, type CniResult } from './cni-call.ts'
import {
  loopbackList,
  type NetworkList,
  readNetworkList,
} from './network-list.ts'
import type { CniProvider, SandboxNetwork } from './network-provider.ts'
import { retireOwnNetwork, withOwnNetwork } from './own-network.ts'
import { withStandIn } from './stand-in.ts'
import { hostLocalRange, wantedAddress } from './subnets.ts'
import { whyPortTaken } from './taken-ports.ts'

/** The interface of a Pod, as every run-time calls it. */
export const ifName = 'eth0'

/** How many addresses a Pod asks for, before it takes any. */
export const wishes = 8

/** What a Pod's network is made with. */
export interface Connecting {
  readonly tools: MachineTools
  /** See attachment-file.ts. */
  readonly file: string
  /** A path by which other processes can open the Pod's namespace. */
  readonly netns: string
  readonly network: Omit<SandboxNetwork, 'provider'>
  readonly abort: AbortSignal
}

/** Connects a Pod by CNI plugins, and resolves with its addresses. */
export async function connectByCni(
  provider: CniProvider,
  connecting: Connecting,
): Promise<readonly string[]> {
  const { confDir, directory } = provider
  const connected =
    confDir === undefined
      ? withOwnNetwork(directory, list =>
          addTo(list, provider, connecting, directory),
        )
      : addTo(readNetworkList(confDir), provider, connecting)
  const [result] = await Promise.all([
    connected,
    addLoopback(provider, connecting),
  ])
  const addresses = addressesOf(result)
  if (addresses.length === 0)
    throw new Error('its plugins give the Pod no address')
  return addresses
}

async function addTo(
  list: NetworkList,
  { binDirs, directory: runtime }: CniProvider,
  { tools, file, netns, network, abort }: Connecting,
  directory?: string,
): Promise<CniResult> {
  const { namespace, name, uid, portMappings } = network
  const containerID = randomBytes(32).toString('hex')
  const address = freeAddress(list, namespace, name)
  const attachment = (wish?: string): WrittenCni => ({
    list,
    containerID,
    ifName,
    args: {
      IgnoreUnknown: '1',
      K8S_POD_NAMESPACE: namespace,
      K8S_POD_NAME: name,
      K8S_POD_INFRA_CONTAINER_ID: containerID,
      K8S_POD_UID: uid,
      ...(wish === undefined ? {} : { IP: wish }),
    },
    portMappings,
    binDirs,
    machine: ownNamespace(),
    pod: `${namespace}/${name}`,
    ...(directory === undefined ? {} : { directory }),
  })
  const connect = async (wish?: string): Promise<CniResult> => {
    const written = attachment(wish)
    writeAttachment(file, written)
    const result = await add(tools, written, netns, abort)
    writeAttachment(file, { ...written, result })
    return result
  }
  writeAttachment(file, attachment(address))
  const taken = await whyPortTaken(path.dirname(runtime), {
    portMappings,
    containerID,
  })
  if (taken !== undefined) throw new Error(taken)
  try {
    return await connect(address)
  } catch (error) {
    // Another Pod has come first.
    const isTaken =
      address !== undefined && (error as Error).message.includes(address)
    if (!isTaken || abort.aborted) throw error
    await del(tools, attachment(address), netns)
    return await connect()
  }
}

async function addLoopback(
  { binDirs }: CniProvider,
  { tools, netns, abort }: Connecting,
): Promise<void> {
  const attachment: WrittenCni = {
    list: loopbackList,
    containerID: randomBytes(32).toString('hex'),
    ifName: 'lo',
    args: {},
    portMappings: [],
    binDirs,
    machine: ownNamespace(),
    pod: '',
  }
  await add(tools, attachment, netns, abort)
}

/** Frees what `connectByCni` has made. */
export async function freeCni(
  tools: MachineTools,
  attachment: WrittenCni,
  netns: string,
): Promise<void> {
  await del(tools, attachment, netns)
  if (attachment.directory !== undefined)
    await retireOwnNetwork(attachment.directory)
}

/** The same where the Pod's namespace is gone, and all interfaces with it that were in there. */
export async function freeLeftCni(
  tools: MachineTools,
  attachment: WrittenCni,
): Promise<void> {
  const whole = { ...attachment, ...(await resultOf(attachment)) }
  const addresses = (whole.result?.ips ?? []).map(({ address }) => address)
  await withStandIn(tools, { ifName, addresses }, netns =>
    freeCni(tools, whole, netns),
  )
}

/**
 * Of one that was killed before it could write it down: the addresses that host-local has noted, or
 * the one that was asked for where the notes have gone with the network.
 */
async function resultOf({
  result,
  list,
  containerID,
  args,
}: WrittenCni): Promise<{ readonly result?: CniResult }> {
  if (result !== undefined) return { result }
  const found = hostLocalRange(list)
  if (found === undefined) return {}
  const { store, range } = found
  const [, bits = '32'] = range.subnet.split('/')
  const ips: { address: string }[] = []
  for (const name of await readdir(store).catch(() => [])) {
    const text = await readFile(path.join(store, name), 'utf8').catch(() => '')
    if (text.startsWith(containerID)) ips.push({ address: `${name}/${bits}` })
  }
  const wish = args['IP']
  if (ips.length === 0 && wish !== undefined)
    ips.push({ address: `${wish}/${bits}` })
  const { cniVersion } = list
  return ips.length === 0 ? {} : { result: { cniVersion, ips } }
}

/** The first of those that the Pod would like which nobody has. */
function freeAddress(
  list: NetworkList,
  namespace: string,
  name: string,
): string | undefined {
  const found = hostLocalRange(list)
  if (found === undefined) return undefined
  for (let attempt = 0; attempt < wishes; attempt += 1) {
    const address = wantedAddress(found.range, namespace, name, attempt)
    if (address !== undefined && !existsSync(path.join(found.store, address)))
      return address
  }
  return undefined
}
