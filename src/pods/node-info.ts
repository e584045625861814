import { readFile, statfs } from 'node:fs/promises'
import {
  availableParallelism,
  hostname,
  networkInterfaces,
  type NetworkInterfaceInfo,
  totalmem,
} from 'node:os'
import { formatQuantity } from '../api/quantity.ts'
import type { NodeInfo } from '../api/types.ts'
import type { Settings } from '../config/settings.ts'
import { hugePagePools } from '../linux/huge-pages.ts'
import { nameBasedUuid } from '../util/name-based-uuid.ts'

const nanosPerByte = 1_000_000_000n
const nothingSaid: Settings['node'] = { labels: new Map(), taints: [] }

/** Of GOARCH, where Node calls it otherwise. */
const architectures: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
}

/**
 * This machine, as the node that a Pod's downward API and tokens speak of, and on which it is
 * scheduled. The three labels that a kubelet sets cannot be set otherwise.
 */
export async function thisNode({
  labels,
  taints,
}: Settings['node'] = nothingSaid): Promise<NodeInfo> {
  const machineId = await readFile('/etc/machine-id', 'utf8').catch(() =>
    hostname(),
  )
  const disk = await statfs('/')
  const name = hostname().toLowerCase()
  return {
    name,
    uid: nameBasedUuid(`podfs-node ${machineId.trim()}`),
    ip: firstAddress(),
    allocatable: new Map([
      ['cpu', String(availableParallelism())],
      ['memory', String(totalmem())],
      ['ephemeral-storage', String(disk.blocks * disk.bsize)],
      ...hugePagePools().map(
        ({ size, count }) =>
          [
            `hugepages-${formatQuantity(size * nanosPerByte, '1Ki')}`,
            formatQuantity(size * count * nanosPerByte, '1Ki'),
          ] as const,
      ),
    ]),
    labels: new Map([
      ...labels,
      ['kubernetes.io/arch', architectures[process.arch] ?? process.arch],
      ['kubernetes.io/hostname', name],
      ['kubernetes.io/os', 'linux'],
    ]),
    taints,
  }
}

function firstAddress(): string {
  const outside = addressesOfInterfaces().filter(({ internal }) => !internal)
  return outside.find(({ family }) => family === 'IPv4')?.address ?? '127.0.0.1'
}

function addressesOfInterfaces(): NetworkInterfaceInfo[] {
  try {
    return Object.values(networkInterfaces()).flatMap(list => list ?? [])
  } catch {
    // Under RestrictAddressFamilies (systemd/podfs.service) nobody may ask for them.
    return []
  }
}
