import {
  isAtLeast,
  type NetworkList,
  type PluginConfig,
} from './network-list.ts'
import type { PortMapping } from './network-provider.ts'

/*
 * What a run-time asks of the plugins of a network (containernetworking/cni, SPEC, v1.0: "Execution
 * of Network Configurations", "Derivation of execution configuration from plugin configuration").
 * Pure.
 */

export type CniCommand = 'ADD' | 'CHECK' | 'DEL'

/** A result of ADD, with whatever else plugins have put there. */
export interface CniResult {
  readonly cniVersion?: string
  readonly ips?: readonly { readonly address: string }[]
  readonly [key: string]: unknown
}

/** The connection of one sandbox to one network: all that its plugins are told, each time. */
export interface Attachment {
  readonly list: NetworkList
  readonly containerID: string
  readonly ifName: string
  readonly args: Readonly<Record<string, string>>
  readonly portMappings: readonly PortMapping[]
}

/** One call of one plugin. */
export interface PluginCall {
  readonly command: CniCommand
  readonly type: string
  readonly env: Readonly<Record<string, string>>
  /** For standard input. */
  readonly config: string
}

/** The plugins in the order in which a command asks them. */
export function pluginsFor(
  command: CniCommand,
  { plugins }: NetworkList,
): readonly PluginConfig[] {
  return command === 'DEL' ? plugins.toReversed() : plugins
}

/** Whether the network is to be checked at all. */
export function isChecked({ cniVersion, disableCheck }: NetworkList): boolean {
  return disableCheck !== true && isAtLeast(cniVersion, [0, 4, 0])
}

/** `netns`: empty where there is none any more. `binDirs`: where a plugin finds others. */
export function pluginCall(
  command: CniCommand,
  attachment: Attachment,
  plugin: PluginConfig,
  about: {
    readonly netns: string
    readonly binDirs: readonly string[]
    /** Of the plugin before it; for CHECK and DEL the last one of the ADD. */
    readonly prevResult?: CniResult
  },
): PluginCall {
  const { list, containerID, ifName, args } = attachment
  const { cniVersion, name } = list
  const { capabilities, ...config } = plugin
  const runtimeConfig = runtimeConfigOf(attachment, capabilities)
  const hasResult =
    about.prevResult !== undefined &&
    (command !== 'DEL' || isAtLeast(cniVersion, [0, 4, 0]))
  return {
    command,
    type: plugin.type,
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerID,
      CNI_NETNS: about.netns,
      CNI_IFNAME: ifName,
      CNI_ARGS: Object.entries(args)
        .map(([key, value]) => `${key}=${value}`)
        .join(';'),
      CNI_PATH: about.binDirs.join(':'),
    },
    config: JSON.stringify({
      ...config,
      cniVersion,
      name,
      ...(runtimeConfig && { runtimeConfig }),
      ...(hasResult ? { prevResult: about.prevResult } : {}),
    }),
  }
}

/** Only what the plugin says that it takes. */
function runtimeConfigOf(
  { portMappings }: Attachment,
  capabilities: PluginConfig['capabilities'],
): object | undefined {
  if (capabilities?.['portMappings'] !== true || portMappings.length === 0)
    return undefined
  return {
    portMappings: portMappings.map(({ protocol, ...mapping }) => ({
      ...mapping,
      protocol: protocol.toLowerCase(),
    })),
  }
}

/** The addresses of a result, IPv4 first. */
export function addressesOf({ ips = [] }: CniResult): string[] {
  const all = ips.map(({ address }) => address.replace(/\/\d+$/, ''))
  const isV6 = (ip: string): boolean => ip.includes(':')
  return [...all.filter(ip => !isV6(ip)), ...all.filter(isV6)]
}
