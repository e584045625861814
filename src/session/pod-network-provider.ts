import path from 'node:path'
import type { SettingsFor } from '../config/settings.ts'
import { findOnHost } from '../linux/machine-tools.ts'
import { ownIdMaps } from '../linux/user-namespace.ts'
import type { NetworkProvider } from '../runner/sandbox/network/network-provider.ts'
import { readNetworkList } from '../runner/sandbox/network/network-list.ts'
import { findPlugin } from '../runner/sandbox/network/run-plugin.ts'
import { Failure } from '../util/failure.ts'
import type { Places } from './places.ts'
import { networksIn } from './runtime-directory.ts'
import { outside, ownNamespace } from './user-namespace.ts'

type NetworkSettings = SettingsFor<'network' | 'cni.binDirs' | 'cni.confDir'>

/** Of podfs's own network. */
const ownPlugins = ['bridge', 'host-local', 'portmap', 'loopback'] as const
const ownPrograms = ['ip', 'iptables'] as const

/** What brings them. */
export const networkPackages = 'containernetworking-plugins iptables iproute2'

/** What gives Pods networks where that is not there; of iproute2 it needs ip. */
export function findPasta(): string | undefined {
  return findOnHost('ip') === undefined ? undefined : findOnHost('pasta')
}

/** What podfs's own network lacks on this machine. */
export function missingForNetworks(binDirs: readonly string[]): string[] {
  return [
    ...ownPlugins
      .filter(type => findPlugin(type, binDirs) === undefined)
      .map(type => `the CNI plugin ${type}`),
    ...ownPrograms.filter(name => findOnHost(name) === undefined),
  ]
}

/**
 * How Pods get networks of their own; undefined where they are to use the machine's. Throws a
 * Failure when this machine cannot give them any, or its configuration is broken.
 */
export function networkProvider(
  { network, cni }: NetworkSettings,
  { runtime }: Places,
): NetworkProvider | undefined {
  if (network === 'host') return undefined
  const own = ownNamespace()
  // Bridges, routes and addresses are those of the machine.
  if (own === undefined && ownIdMaps() !== undefined)
    throw new Failure(
      'platform',
      'network pod: podfs cannot give Pods networks of their own in a user namespace that it has not made; podfs works with network host',
      { fix: outside },
    )
  const gateway = own?.gateway && { gateway: own.gateway }
  // A shim has another working directory.
  const binDirs = cni.binDirs.map(directory => path.resolve(directory))
  const confDir = cni.confDir === '' ? '' : path.resolve(cni.confDir)
  const directory = networksIn(own?.gateway?.directory ?? runtime)
  if (confDir !== '') {
    try {
      const { plugins } = readNetworkList(confDir)
      const missing = [...plugins.map(({ type }) => type), 'loopback'].find(
        type => findPlugin(type, binDirs) === undefined,
      )
      if (missing !== undefined)
        throw new Error(`no plugin ${missing} in ${binDirs.join(', ')}`)
    } catch (cause) {
      throw new Failure('usage', `cni.confDir: ${(cause as Error).message}`, {
        cause,
      })
    }
    return { kind: 'cni', binDirs, confDir, directory, ...gateway }
  }
  const missing = missingForNetworks(binDirs)
  if (missing.length === 0)
    return { kind: 'cni', binDirs, directory, ...gateway }
  const program = findPasta()
  if (program !== undefined)
    return { kind: 'pasta', program, directory, ...gateway }
  throw new Failure(
    'platform',
    `network pod: this machine lacks ${missing.join(', ')}, and pasta; podfs works with network host`,
    {
      fix:
        own === undefined
          ? `apt-get install ${networkPackages}; or apt-get install passt`
          : 'sudo apt-get install passt iproute2',
    },
  )
}
