import { readFile, statfs } from 'node:fs/promises'
import {
  availableParallelism,
  hostname,
  networkInterfaces,
  type NetworkInterfaceInfo,
  totalmem,
} from 'node:os'
import type { NodeInfo } from '../api/types.ts'
import { nameBasedUuid } from '../util/name-based-uuid.ts'

/** This machine, as the node that a Pod's downward API and tokens speak of. */
export async function thisNode(): Promise<NodeInfo> {
  const machineId = await readFile('/etc/machine-id', 'utf8').catch(() =>
    hostname(),
  )
  const disk = await statfs('/')
  return {
    name: hostname().toLowerCase(),
    uid: nameBasedUuid(`podfs-node ${machineId.trim()}`),
    ip: firstAddress(),
    allocatable: new Map([
      ['cpu', String(availableParallelism())],
      ['memory', String(totalmem())],
      ['ephemeral-storage', String(disk.blocks * disk.bsize)],
    ]),
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
