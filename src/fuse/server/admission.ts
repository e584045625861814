/**
 * Who may change the tree: the threads of one process, the daemon.
 *
 * Resent requests arrive before the daemon can reconnect to a new server, so the admission
 * survives in a slot of the journals, in both of them at byte 64: pid, start time (a pid is
 * reused, the pair is not) and a checksum. The daemon writes it itself before the first
 * server starts, so that publishing need not wait for the control socket.
 */
import { accessSync, readSync, writeSync } from 'node:fs'
import { crc32 } from '../wire/crc32.ts'
import {
  processStartTime,
  type ProcessIdentity,
} from '../../linux/process-identity.ts'
import type { JournalFiles } from '../keeper/descriptors.ts'

const SLOT_AT = 64
const SLOT_SIZE = 24

/** `undefined` clears it. */
export function writeAdmission(
  files: JournalFiles,
  admission: ProcessIdentity | undefined,
): void {
  const slot = Buffer.alloc(SLOT_SIZE)
  slot.writeUInt32LE(admission?.pid ?? 0, 0)
  slot.writeBigUInt64LE(BigInt(admission?.startTime ?? 0), 8)
  slot.writeUInt32LE(crc32(slot.subarray(0, 16)), 16)
  for (const file of files) writeSync(file, slot, 0, SLOT_SIZE, SLOT_AT)
}

/** The admitted process, if it is still the same one. */
export function readAdmission(
  files: JournalFiles,
): ProcessIdentity | undefined {
  for (const file of files) {
    const slot = Buffer.alloc(SLOT_SIZE)
    if (readSync(file, slot, 0, SLOT_SIZE, SLOT_AT) < SLOT_SIZE) continue
    if (crc32(slot.subarray(0, 16)) !== slot.readUInt32LE(16)) continue
    const pid = slot.readUInt32LE(0)
    const startTime = Number(slot.readBigUInt64LE(8))
    if (pid !== 0 && processStartTime(pid) === startTime)
      return { pid, startTime }
  }
  return undefined
}

/** Whether a thread is the process's own, now. Never kept: a thread id is reused. */
export function isThreadOf(pid: number, tid: number): boolean {
  if (pid === 0 || tid === 0) return false
  try {
    accessSync(`/proc/${pid}/task/${tid}`)
    return true
  } catch {
    return false
  }
}
