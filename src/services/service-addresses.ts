import { changeAddresses, removeAddressesOf } from '../linux/lo-addresses.ts'

/** Those of Services that this machine must be given, as ServiceTable.label says. */
export class ServiceAddresses {
  #label: string | undefined
  readonly #held = new Set<string>()

  /** Resolves with what ip(8) says of those that it could not add. */
  async add(
    label: string,
    wanted: ReadonlySet<string>,
  ): Promise<string | undefined> {
    if (this.#label === undefined) {
      this.#label = label
      // Of a proxy before this one, which was killed.
      await removeAddressesOf(label)
    }
    const add = [...wanted].filter(ip => !this.#held.has(ip))
    for (const ip of add) this.#held.add(ip)
    return await changeAddresses(label, { add, remove: [] })
  }

  /** Removes those that are not wanted any more. */
  async keepOnly(wanted: ReadonlySet<string>): Promise<void> {
    if (this.#label === undefined) return
    const remove = [...this.#held].filter(ip => !wanted.has(ip))
    for (const ip of remove) this.#held.delete(ip)
    await changeAddresses(this.#label, { add: [], remove })
  }

  async close(): Promise<void> {
    if (this.#label !== undefined) await removeAddressesOf(this.#label)
  }
}
