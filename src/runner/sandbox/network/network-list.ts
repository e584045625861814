import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** A plugin's part of a network configuration, with whatever keys it takes. */
export interface PluginConfig {
  readonly type: string
  readonly capabilities?: Readonly<Record<string, boolean>>
  readonly ipam?: Readonly<Record<string, unknown>>
  readonly [key: string]: unknown
}

/** A network configuration (containernetworking/cni, SPEC, v1.0: "Configuration format"). */
export interface NetworkList {
  readonly cniVersion: string
  readonly name: string
  readonly disableCheck?: boolean
  readonly plugins: readonly PluginConfig[]
}

/** The name of podfs's own network, and of its bridge. */
const ownNetworkName = 'podfs'
export const ownBridge = 'podfs0'

/**
 * The network of a directory of configurations: the first of its files, by name, as container
 * run-times take it. Throws an Error that names the file and what is wrong.
 */
export function readNetworkList(confDir: string): NetworkList {
  const names = readdirSync(confDir)
    .filter(name => /\.(conf|conflist|json)$/.test(name))
    .sort()
  const [first] = names
  if (first === undefined)
    throw new Error(`${confDir} has no .conflist and no .conf`)
  const file = path.join(confDir, first)
  return parseNetworkList(readFileSync(file, 'utf8'), file)
}

/** Pure. A .conf is the configuration of one plugin. */
export function parseNetworkList(text: string, file: string): NetworkList {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new Error(`${file}: ${(cause as Error).message}`, { cause })
  }
  if (typeof parsed !== 'object' || parsed === null)
    throw new Error(`${file}: must be an object`)
  const list = parsed as Record<string, unknown>
  const { name, cniVersion = '0.1.0', disableCheck } = list
  const plugins = list['plugins'] ?? [list]
  if (typeof name !== 'string' || name === '')
    throw new Error(`${file}: name: must be a string`)
  if (typeof cniVersion !== 'string')
    throw new Error(`${file}: cniVersion: must be a string`)
  // Before it a result has no list of addresses.
  if (!isAtLeast(cniVersion, [0, 3, 0]))
    throw new Error(`${file}: cniVersion: ${cniVersion} is older than 0.3.0`)
  if (!Array.isArray(plugins) || plugins.length === 0)
    throw new Error(`${file}: plugins: must be a list`)
  for (const [i, plugin] of (plugins as unknown[]).entries()) {
    const { type } = (plugin ?? {}) as Record<string, unknown>
    // It names a program in cni.binDirs, and none elsewhere.
    if (typeof type !== 'string' || type === '' || type.includes('/'))
      throw new Error(`${file}: plugins[${i}].type: must name a plugin`)
  }
  return {
    cniVersion,
    name,
    ...(disableCheck === true ? { disableCheck } : {}),
    plugins: plugins as PluginConfig[],
  }
}

/** Whether a version of CNI is at least another one. */
export function isAtLeast(
  version: string,
  least: readonly [number, number, number],
): boolean {
  const numbers = version.split('.').map(Number)
  for (const [i, want] of least.entries()) {
    const have = numbers[i] ?? 0
    if (have !== want) return have > want
  }
  return true
}

export interface OwnNetwork {
  /** `10.91.0.0/16`. */
  readonly subnet: string
  /** Where host-local writes down which address is whose. */
  readonly dataDir: string
  /** What is forwarded has to be allowed one by one. */
  readonly hasFirewall: boolean
}

/**
 * podfs's own network: a bridge with an address of this machine, from which Pods get to wherever
 * the machine gets.
 */
export function ownNetworkList(own: OwnNetwork): NetworkList {
  const { subnet, dataDir, hasFirewall } = own
  return {
    cniVersion: '1.0.0',
    name: ownNetworkName,
    plugins: [
      {
        type: 'bridge',
        bridge: ownBridge,
        isDefaultGateway: true,
        ipMasq: true,
        // A Pod reaches itself through its own port of this machine.
        hairpinMode: true,
        ipam: { type: 'host-local', ranges: [[{ subnet }]], dataDir },
      },
      ...(hasFirewall ? [{ type: 'firewall', backend: 'iptables' }] : []),
      {
        type: 'portmap',
        capabilities: { portMappings: true },
        snat: true,
      },
    ],
  }
}

/** In the Pod's own namespace, for 127.0.0.1; nobody frees it. */
export const loopbackList: NetworkList = {
  cniVersion: '1.0.0',
  name: 'podfs-loopback',
  plugins: [{ type: 'loopback' }],
}
