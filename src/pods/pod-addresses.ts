import type { Pod } from '../api/types.ts'
import { podIPFor } from './pod-ip.ts'
import { podName } from './pod-notices.ts'
import {
  sessionsWithPods,
  type SessionDirectory,
} from '../session/runtime-directory.ts'

/**
 * The addresses of one session's Pods and Services, unique among all that run of this user: loopback
 * addresses, unless `addressFor` gives others. A Pod keeps its address until `release`, also when it
 * is made anew.
 */
export class PodAddresses {
  readonly #runtime: string
  readonly #session: SessionDirectory
  readonly #addressFor: typeof podIPFor
  readonly #claimed = new Map<string, string>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    runtime: string,
    session: SessionDirectory,
    addressFor = podIPFor,
  ) {
    this.#runtime = runtime
    this.#session = session
    this.#addressFor = addressFor
  }

  /** One after the other: each must see what the one before has taken. */
  claim(pod: Pod): Promise<string> {
    const { namespace, name } = pod.metadata
    return this.#claimInTurn(podName(pod), namespace, name)
  }

  /** Of what is no Pod, and called `WHAT NAMESPACE/NAME`: it keeps its address, too. */
  claimFor(what: string, namespace: string, name: string): Promise<string> {
    const key = `${what} ${namespace}/${name}`
    return this.#claimInTurn(key, namespace, `${what} ${name}`)
  }

  #claimInTurn(key: string, namespace: string, name: string): Promise<string> {
    const claim = this.#last.then(() => this.#claim(key, namespace, name))
    this.#last = claim.catch(() => undefined)
    return claim
  }

  /** It has it already, from a podfs before this one. */
  keep(pod: Pod, podIP: string): void {
    if (!pod.spec.hostNetwork) this.#claimed.set(podName(pod), podIP)
  }

  /** For another Pod; the session's file says so with the next claim. */
  release(pod: Pod): void {
    this.#claimed.delete(podName(pod))
  }

  /**
   * Two podfs that start at the same moment both write down what they want and look again:
   * the one with the higher pid moves on.
   */
  async #claim(key: string, namespace: string, name: string): Promise<string> {
    const known = this.#claimed.get(key)
    if (known !== undefined) return known
    const taken = new Set(this.#claimed.values())
    for (;;) {
      for (const { podIPs } of await this.#others())
        for (const ip of podIPs) taken.add(ip)
      const podIP = this.#addressFor(namespace, name, taken)
      this.#claimed.set(key, podIP)
      this.#session.update({ pods: Object.fromEntries(this.#claimed) })
      const rivals = (await this.#others()).filter(
        ({ pid, podIPs }) => podIPs.includes(podIP) && pid < process.pid,
      )
      if (rivals.length === 0) return podIP
    }
  }

  async #others(): Promise<{ pid: number; podIPs: readonly string[] }[]> {
    return (await sessionsWithPods(this.#runtime))
      .filter(({ pid }) => pid !== process.pid)
      .map(({ pid, pods = {} }) => ({ pid, podIPs: Object.values(pods) }))
  }
}
