/*
 * What is to be known of the Services of one podfs: plain data, which a process of its own can
 * be told.
 */

export interface ServiceTable {
  readonly clusterDomain: string
  /** Where names are asked for, at port 53. */
  readonly nameserver: string
  /**
   * Its addresses are to be made this machine's own, with this label (linux/lo-addresses.ts); absent:
   * they are (127.0.0.0/8).
   */
  readonly label?: string
  readonly services: readonly ServiceEntry[]
}

export interface ServiceEntry {
  readonly namespace: string
  readonly name: string
  /** Its own address; absent: headless, or another name for something else. */
  readonly ip?: string
  readonly externalName?: string
  /** Each client goes to the Pod where it was last, within so many seconds. */
  readonly affinitySeconds?: number
  readonly ports: readonly ServicePort[]
  /** Those that get something. */
  readonly endpoints: readonly Endpoint[]
}

export interface ServicePort {
  readonly name?: string
  readonly protocol: string
  readonly port: number
}

export interface Endpoint {
  readonly ip: string
  /** Where it has a name of its own below the Service's. */
  readonly hostname?: string
  /** It takes no port of this machine, whatever it listens at. */
  readonly ownNetwork?: true
  /** Of each port of the Service the Pod's; undefined: it has none of that name. */
  readonly targets: readonly (number | undefined)[]
}
