import type { SettingsFor } from '../config/settings.ts'
import type { LeaveNetwork } from '../pods/gateway/enter-own-network.ts'
import { networkProvider } from '../session/pod-network-provider.ts'
import type { Places } from '../session/places.ts'
import { ownNamespace } from '../session/user-namespace.ts'

/**
 * See enterOwnNetwork; nothing happens for root, and where Pods use the machine's network. Throws a
 * Failure where there can be no networks of Pods.
 */
export async function enterNetwork(
  command: 'run' | 'serve',
  {
    settings,
    places,
  }: {
    readonly settings: SettingsFor<'network' | 'cni.binDirs' | 'cni.confDir'>
    readonly places: Places
  },
  tell: (text: string) => void,
): Promise<LeaveNetwork> {
  const isOwn = ownNamespace() !== undefined
  if (!isOwn || networkProvider(settings, places) === undefined) return () => {}
  const { enterOwnNetwork } =
    await import('../pods/gateway/enter-own-network.ts')
  return await enterOwnNetwork(command, places, tell)
}
