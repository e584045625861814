import { closeSync, existsSync, openSync, readdirSync, statSync } from 'node:fs'
import type { MachineTools } from '../../../linux/machine-tools.ts'
import {
  forgetAttachment,
  ownNamespace,
  readAttachment,
} from './attachment-file.ts'
import { check } from './cni.ts'
import {
  connectByCni,
  type Connecting,
  freeCni,
  freeLeftCni,
} from './cni-network.ts'
import { openPorts, type OpenPorts } from './gateway-client.ts'
import type { SandboxNetwork } from './network-provider.ts'
import { connectByPasta, freeAddressOf, type Pasta } from './pasta-network.ts'

/** A Pod's network, as it has been made. */
export interface AttachedNetwork {
  /** At least one. */
  readonly podIPs: readonly string[]
  /** See RunningSandbox. */
  readonly isProxied: boolean
  /** Resolves when what serves it has ended; where nothing does it never does. */
  readonly lost: Promise<void>
}

/**
 * The network of one Pod. Its namespace is held by this process, beside the Pod's own, so that it
 * is there to be freed when the Pod's have been killed; by no file, so that it ends with podfs.
 */
export class PodNetwork {
  readonly #tools: MachineTools
  readonly #file: string
  #namespace: number | undefined
  #pasta: Pasta | undefined
  #ports: OpenPorts | undefined

  /** `file`: see attachment-file.ts. */
  constructor(tools: MachineTools, file: string) {
    this.#tools = tools
    this.#file = file
  }

  /**
   * Connects the network namespace of a process. Rejects with what stands in the way; nothing is
   * left then. `abort` gives up.
   */
  async attach(
    pid: number,
    network: SandboxNetwork,
    abort: AbortSignal,
  ): Promise<AttachedNetwork> {
    // What was made for the sandbox before this one.
    await this.detach()
    const namespace = openSync(`/proc/${pid}/ns/net`, 'r')
    this.#namespace = namespace
    try {
      const attached = await this.#connect(namespace, network, abort)
      await this.#open(attached, network)
      return attached
    } catch (error) {
      await this.detach().catch(() => undefined)
      const { message } = error as Error
      throw new Error(`failed to setup network for sandbox: ${message}`, {
        cause: error,
      })
    }
  }

  async #connect(
    namespace: number,
    network: SandboxNetwork,
    abort: AbortSignal,
  ): Promise<AttachedNetwork> {
    const { provider } = network
    const connecting: Connecting = {
      tools: this.#tools,
      file: this.#file,
      netns: this.#path,
      network,
      abort,
    }
    if (provider.kind === 'cni') {
      const podIPs = await connectByCni(provider, connecting)
      return { podIPs, isProxied: false, lost: new Promise(() => {}) }
    }
    const pasta = await connectByPasta(provider, connecting, namespace)
    this.#pasta = pasta
    return { podIPs: [pasta.address], isProxied: true, lost: pasta.ended }
  }

  /** At ports of the machine, where podfs is not in its network. */
  async #open(
    { podIPs: [podIP = ''] }: AttachedNetwork,
    { provider, portMappings, places = [] }: SandboxNetwork,
  ): Promise<void> {
    const mappings = [...portMappings, ...places]
    if (provider.gateway === undefined || mappings.length === 0) return
    const { directory } = provider.gateway
    this.#ports = await openPorts(directory, podIP, mappings)
  }

  /** Rejects when it is not as `attach` has made it. */
  async check(): Promise<void> {
    const attachment = readAttachment(this.#file)
    if (attachment !== undefined && 'list' in attachment)
      await check(this.#tools, attachment, this.#path)
  }

  /** Frees all that was made for it, if there is something. */
  async detach(): Promise<void> {
    const attachment = readAttachment(this.#file)
    this.#ports?.close()
    this.#ports = undefined
    try {
      await this.#pasta?.end()
      this.#pasta = undefined
      if (attachment === undefined) return
      if ('list' in attachment)
        await freeCni(this.#tools, attachment, this.#path)
      else await freeAddressOf(attachment)
      forgetAttachment(this.#file)
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
}

/**
 * Frees what a Pod's network has left whose podfs was killed; `file`: see attachment-file.ts. Its
 * namespace went with the podfs.
 */
export async function freeLeftNetwork(
  tools: MachineTools,
  file: string,
): Promise<void> {
  const attachment = readAttachment(file)
  if (attachment === undefined) return
  // Of a namespace that has gone nothing is left, and another one may have its number.
  const { directory } = { directory: undefined, ...attachment }
  const isGone = directory !== undefined && !existsSync(directory)
  if (isGone) return forgetAttachment(file)
  if (attachment.machine === ownNamespace())
    await ('list' in attachment
      ? freeLeftCni(tools, attachment)
      : freeAddressOf(attachment))
  else if (isInUse(attachment.machine))
    throw new Error(
      `what Pod ${attachment.pod} has left is in another network namespace`,
    )
  forgetAttachment(file)
}

/** Whether a process is in the network namespace of that number. */
function isInUse(namespace: number): boolean {
  return readdirSync('/proc').some(name => {
    if (!/^\d+$/.test(name)) return false
    const found = statSync(`/proc/${name}/ns/net`, { throwIfNoEntry: false })
    return found?.ino === namespace
  })
}
