import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, readdirSync, statSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import type { MachineTools } from '../../../linux/machine-tools.ts'
import {
  forgetAttachment,
  ownNamespace,
  readAttachment,
  writeAttachment,
  type WrittenAttachment,
} from './attachment-file.ts'
import { add, check, del } from './cni.ts'
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
const ifName = 'eth0'

/** How many addresses a Pod asks for, before it takes any. */
const wishes = 8

/**
 * The network of one Pod. Its namespace is held by this process, beside the Pod's own, so that it
 * is there to be freed when the Pod's have been killed; by no file, so that it ends with podfs.
 */
export class PodNetwork {
  readonly #tools: MachineTools
  readonly #file: string
  #namespace: number | undefined

  /** `file`: see attachment-file.ts. */
  constructor(tools: MachineTools, file: string) {
    this.#tools = tools
    this.#file = file
  }

  /**
   * Connects the network namespace of a process, and resolves with its addresses. Rejects with what
   * a plugin says; nothing is left then. `abort` gives up.
   */
  async attach(
    pid: number,
    { provider, ...network }: SandboxNetwork,
    abort: AbortSignal,
  ): Promise<readonly string[]> {
    // What was made for the sandbox before this one.
    await this.detach()
    this.#namespace = openSync(`/proc/${pid}/ns/net`, 'r')
    try {
      const [result] = await Promise.all([
        this.#connect(provider, network, abort),
        this.#addLoopback(provider, abort),
      ])
      const addresses = addressesOf(result)
      if (addresses.length === 0)
        throw new Error('its plugins give the Pod no address')
      return addresses
    } catch (error) {
      await this.detach().catch(() => undefined)
      const { message } = error as Error
      throw new Error(`failed to setup network for sandbox: ${message}`, {
        cause: error,
      })
    }
  }

  /** Rejects when it is not as `attach` has made it. */
  async check(): Promise<void> {
    const attachment = readAttachment(this.#file)
    if (attachment !== undefined)
      await check(this.#tools, attachment, this.#path)
  }

  /** Frees all that was made for it, if there is something. */
  async detach(): Promise<void> {
    const attachment = readAttachment(this.#file)
    try {
      if (attachment === undefined) return
      await del(this.#tools, attachment, this.#path)
      forgetAttachment(this.#file)
      await retire(attachment)
    } finally {
      if (this.#namespace !== undefined) closeSync(this.#namespace)
      this.#namespace = undefined
    }
  }

  /** A path by which other processes can open the namespace. */
  get #path(): string {
    return this.#namespace === undefined
      ? ''
      : `/proc/${process.pid}/fd/${this.#namespace}`
  }

  async #connect(
    provider: CniProvider,
    network: Omit<SandboxNetwork, 'provider'>,
    abort: AbortSignal,
  ): Promise<CniResult> {
    const { confDir, directory } = provider
    if (confDir !== undefined)
      return await this.#add(readNetworkList(confDir), provider, network, abort)
    return await withOwnNetwork(directory, list =>
      this.#add(list, provider, network, abort, directory),
    )
  }

  async #add(
    list: NetworkList,
    { binDirs, directory: runtime }: CniProvider,
    { namespace, name, uid, portMappings }: Omit<SandboxNetwork, 'provider'>,
    abort: AbortSignal,
    directory?: string,
  ): Promise<CniResult> {
    const containerID = randomBytes(32).toString('hex')
    const address = freeAddress(list, namespace, name)
    const attachment = (wish?: string): WrittenAttachment => ({
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
      writeAttachment(this.#file, written)
      const result = await add(this.#tools, written, this.#path, abort)
      writeAttachment(this.#file, { ...written, result })
      return result
    }
    writeAttachment(this.#file, attachment(address))
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
      await del(this.#tools, attachment(address), this.#path)
      return await connect()
    }
  }

  async #addLoopback(
    { binDirs }: CniProvider,
    abort: AbortSignal,
  ): Promise<void> {
    const attachment: WrittenAttachment = {
      list: loopbackList,
      containerID: randomBytes(32).toString('hex'),
      ifName: 'lo',
      args: {},
      portMappings: [],
      binDirs,
      machine: ownNamespace(),
      pod: '',
    }
    await add(this.#tools, attachment, this.#path, abort)
  }
}

/**
 * Frees what a Pod's network has left whose podfs was killed; `file`: see attachment-file.ts. Its
 * namespace, and all interfaces that were in it, went with the podfs.
 */
export async function freeLeftNetwork(
  tools: MachineTools,
  file: string,
): Promise<void> {
  const attachment = readAttachment(file)
  if (attachment === undefined) return
  if (attachment.machine !== ownNamespace()) {
    if (isInUse(attachment.machine))
      throw new Error(
        `what Pod ${attachment.pod} has left is in another network namespace`,
      )
    // It went with all that was in it.
    return forgetAttachment(file)
  }
  const whole = { ...attachment, ...(await resultOf(attachment)) }
  const addresses = (whole.result?.ips ?? []).map(({ address }) => address)
  await withStandIn(tools, { ifName, addresses }, netns =>
    del(tools, whole, netns),
  )
  forgetAttachment(file)
  await retire(attachment)
}

/** Whether a process is in the network namespace of that number. */
function isInUse(namespace: number): boolean {
  return readdirSync('/proc').some(name => {
    if (!/^\d+$/.test(name)) return false
    const found = statSync(`/proc/${name}/ns/net`, { throwIfNoEntry: false })
    return found?.ino === namespace
  })
}

/** Of one that was killed before it could write it down: the addresses that host-local has noted. */
async function resultOf({
  result,
  list,
  containerID,
}: WrittenAttachment): Promise<{ readonly result?: CniResult }> {
  if (result !== undefined) return { result }
  const found = hostLocalRange(list)
  if (found === undefined) return {}
  const { store, range } = found
  const ips: { address: string }[] = []
  for (const name of await readdir(store).catch(() => [])) {
    const text = await readFile(path.join(store, name), 'utf8').catch(() => '')
    const [, bits = '32'] = range.subnet.split('/')
    if (text.startsWith(containerID)) ips.push({ address: `${name}/${bits}` })
  }
  const { cniVersion } = list
  return ips.length === 0 ? {} : { result: { cniVersion, ips } }
}

async function retire({ directory }: WrittenAttachment): Promise<void> {
  if (directory !== undefined) await retireOwnNetwork(directory)
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
