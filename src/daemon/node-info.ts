import { createHash } from 'node:crypto'
import { readFile, statfs } from 'node:fs/promises'
import {
  availableParallelism,
  hostname,
  networkInterfaces,
  totalmem,
} from 'node:os'
import type { NodeInfo } from '../api/types.ts'

/** This machine, as the node that a Pod's downward API and tokens speak of. */
export async function thisNode(): Promise<NodeInfo> {
  const machineId = await readFile('/etc/machine-id', 'utf8').catch(() =>
    hostname(),
  )
  const disk = await statfs('/')
  return {
    name: hostname().toLowerCase(),
    uid: uuidFrom(`podfs-node ${machineId.trim()}`),
    ip: firstAddress(),
    allocatable: new Map([
      ['cpu', String(availableParallelism())],
      ['memory', String(totalmem())],
      ['ephemeral-storage', String(disk.blocks * disk.bsize)],
    ]),
  }
}

function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap(
    list => list ?? [],
  )
  const outside = addresses.filter(({ internal }) => !internal)
  return outside.find(({ family }) => family === 'IPv4')?.address ?? '127.0.0.1'
}

/** The same text gives the same UUID; RFC 9562, version 8. */
function uuidFrom(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16)
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = bytes.toString('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-')
}
