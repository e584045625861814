/**
 * Finds the request that servers die of. The serving thread answers one request at a time, so a
 * dead server has read and not answered one at most, and its successor is sent that again. Such a
 * request is written into a slot of the first journal before it is answered, and taken out
 * afterwards: what a successor finds in the slot has killed one server more.
 *
 *     96   `unique` without bit 63, how many servers it has killed, checksum
 *
 * Only what is sent again costs anything; all other requests are not written down.
 */
import { readSync, writeSync } from 'node:fs'
import { crc32 } from '../wire/crc32.ts'
import type { JournalFiles } from '../keeper/descriptors.ts'

const SLOT_AT = 96
const SLOT_SIZE = 16
const EMPTY = Buffer.alloc(SLOT_SIZE)

/** A request that has killed this many servers in a row is answered EIO. */
const MOST_DEATHS = 3

export class Suspect {
  readonly #file: number
  readonly #found = Buffer.alloc(SLOT_SIZE)

  /** As the server before this one has left it. */
  constructor([file]: JournalFiles) {
    this.#file = file
    readSync(file, this.#found, 0, SLOT_SIZE, SLOT_AT)
    if (crc32(this.#found.subarray(0, 12)) !== this.#found.readUInt32LE(12))
      this.#found.fill(0)
  }

  /**
   * Before a request that the kernel has sent again is answered: false when it has killed too
   * many servers. `unique`: its 8 bytes as they came.
   */
  begin(unique: Buffer): boolean {
    const slot = Buffer.alloc(SLOT_SIZE)
    unique.copy(slot)
    slot.writeUInt8(slot.readUInt8(7) & 0x7f, 7)
    const isSame = slot.compare(this.#found, 0, 8, 0, 8) === 0
    // The first one was killed before anybody knew.
    const deaths = (isSame ? this.#found.readUInt32LE(8) : 0) + 1
    if (deaths >= MOST_DEATHS) return false
    slot.writeUInt32LE(deaths, 8)
    slot.writeUInt32LE(crc32(slot.subarray(0, 12)), 12)
    writeSync(this.#file, slot, 0, SLOT_SIZE, SLOT_AT)
    return true
  }

  /** It has been answered. */
  end(): void {
    writeSync(this.#file, EMPTY, 0, SLOT_SIZE, SLOT_AT)
  }
}
