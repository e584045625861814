import { isDeepStrictEqual } from 'node:util'
import { inBackground } from '../util/in-background.ts'
import { messageOf } from './container-starter.ts'
import {
  defaultClusterDomain,
  podHostname,
  type PodHostname,
} from './launch/hostname.ts'
import { type PodNetworkPlan, sandboxConfig } from './launch/sandbox-config.ts'
import type { ChangeSignal } from './lifecycle/change-signal.ts'
import { configRetryMs } from './lifecycle/container-record.ts'
import type { PodState } from './pod-state.ts'
import type { ContainerRuntime } from './sandbox/container-runtime.ts'

export interface SandboxKeeperOptions {
  readonly runtime: ContainerRuntime
  readonly clusterDomain?: string
  /** Absent: the Pod's network is the machine's. */
  readonly network?: PodNetworkPlan
  /** It has a network of its own, with these addresses; told again when they are others. */
  readonly onAddresses?: (podIPs: readonly string[]) => void
}

/** Has the Pod's sandbox made, and knows when it is lost. */
export class SandboxKeeper {
  /** It has ended, and there is no other one yet. */
  isLost = false
  readonly #options: SandboxKeeperOptions
  readonly #state: PodState
  readonly #changes: ChangeSignal
  readonly #mustStop: () => boolean
  #made: Promise<PodHostname> | undefined

  constructor(
    options: SandboxKeeperOptions,
    state: PodState,
    changes: ChangeSignal,
    mustStop: () => boolean,
  ) {
    this.#options = options
    this.#state = state
    this.#changes = changes
    this.#mustStop = mustStop
  }

  /** Begins before it is needed; `created` tells what stands in the way. */
  begin(): void {
    this.#made ??= this.#create()
    this.#made.catch(() => undefined)
  }

  /**
   * Resolves with the Pod's names when there is a sandbox, which is another one after a loss, and
   * with undefined when the Pod is to stop before. What fails is told once for each new reason, and
   * tried again: a Pod whose name the kernel would not take stays Pending until it goes (C188).
   */
  async created(): Promise<PodHostname | undefined> {
    if (this.isLost) this.#made = undefined
    for (let told = ''; ;) {
      const seen = this.#changes.version
      this.begin()
      try {
        return await this.#made
      } catch (error) {
        this.#made = undefined
        const message = messageOf(error)
        if (this.#mustStop()) return undefined
        if (message !== told)
          this.#state.warn(
            'FailedCreatePodSandBox',
            `Failed to create pod sandbox: ${message}`,
          )
        told = message
      }
      await this.#changes.wait(seen, configRetryMs)
      if (this.#mustStop()) return undefined
    }
  }

  async #create(): Promise<PodHostname> {
    const { runtime, clusterDomain, network } = this.#options
    const { pod } = this.#state
    const hostname = podHostname(pod, clusterDomain ?? defaultClusterDomain)
    const { ended, podIPs, isProxied } = await runtime.createSandbox(
      sandboxConfig(pod, hostname, network),
    )
    this.#state.isProxied = isProxied === true
    if (podIPs !== undefined) this.#noteAddresses(podIPs)
    this.isLost = false
    inBackground(this.#noteLoss(ended))
    return hostname
  }

  #noteAddresses(podIPs: readonly string[]): void {
    if (isDeepStrictEqual(podIPs, this.#state.podIPs)) return
    this.#state.podIPs = podIPs
    this.#options.onAddresses?.(podIPs)
  }

  async #noteLoss(ended: Promise<void>): Promise<void> {
    await ended
    this.isLost = true
    this.#changes.notify()
  }
}
