/**
 * The journal: how a tree survives the death of its server.
 *
 * The thread that serves never yields, so nobody can ask it for its tree, and nobody can
 * save it afterwards. Instead every change is recorded before it is answered, as the request
 * that made it; the next server does the same requests again (docs/fuse.md#the-journal).
 *
 * Two files, both unlinked and on tmpfs, so that no disk sees a Secret. One is active:
 *
 *     0    header: magic, version, generation, length of the snapshot, checksum
 *     64   admission slot, see admission.ts; in both files
 *     96   suspect slot, see suspect.ts; in the first file
 *     128  records: one SNAPSHOT, then REQUEST and DROP in the order in which they happened
 *
 * A record: length, checksum of the rest, kind, length of the request, time, request, reply.
 *
 * Compaction, so that a death at any point loses nothing:
 *  (1) void the other file's header and truncate its records;
 *  (2) write the snapshot there, in a loop until all of it is written: a nearly full tmpfs
 *      gives a short write first and ENOSPC only then;
 *  (3) write its header with the next generation: that is the commit;
 *  (4) void and truncate the old file.
 * When (1) to (3) fail, the old file stays the active one.
 *
 * Every access names its position: the file offset is shared by all who inherited the
 * descriptor.
 */
import type { JournalFiles } from '../keeper/descriptors.ts'
import { type ServerState, decodeSnapshot, encodeSnapshot } from './snapshot.ts'
import { fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs'
import { crc32 } from '../wire/crc32.ts'
import type { Time } from '../wire/protocol.ts'
import type { Tree } from './tree.ts'

export type JournalRecord =
  | {
      readonly kind: 'request'
      readonly time: Time
      readonly request: Buffer
      readonly reply: Buffer
    }
  | { readonly kind: 'drop'; readonly nodeId: number }

export interface JournalContents {
  readonly state: ServerState
  readonly records: readonly JournalRecord[]
}

const MAGIC = 0x6a646f70 // "podj"
const VERSION = 3
const HEADER_SIZE = 40
const RECORDS_AT = 128
const RECORD_HEADER_SIZE = 32
const KIND_SNAPSHOT = 1
const KIND_REQUEST = 2
const KIND_DROP = 3

/** Records beyond the snapshot before it is worth making a new one. */
const COMPACT_AFTER = 256 * 1024

interface Header {
  readonly generation: number
  readonly snapshotLength: number
}

export class Journal {
  readonly #files: JournalFiles
  #active: 0 | 1
  #generation: number
  /** Where the next record goes: the end of the last whole one. */
  #end: number
  #compactAt: number
  readonly #write: typeof writeSync

  private constructor(
    files: JournalFiles,
    active: 0 | 1,
    header: Header,
    end: number,
    write: typeof writeSync,
  ) {
    this.#files = files
    this.#active = active
    this.#generation = header.generation
    this.#end = end
    this.#compactAt = compactionLimit(header.snapshotLength)
    this.#write = write
  }

  /** Two new files with the tree of a new mount. */
  static create(files: JournalFiles, { nodes, nextId }: Tree): void {
    const snapshot = snapshotRecord({ nodes, nextId, recent: [] })
    writeFully(writeSync, files[0], snapshot, RECORDS_AT)
    const header = { generation: 1, snapshotLength: snapshot.length }
    writeFully(writeSync, files[0], encodeHeader(header), 0)
  }

  /**
   * The contents, without changing anything: also for the thread that only wants to know
   * which nodes there are while the other one appends.
   */
  static read(files: JournalFiles): JournalContents {
    const { contents } = scan(files)
    return contents
  }

  /** Whether this version can read one of the files; a server may be writing to them. */
  static isReadable(files: JournalFiles): boolean {
    try {
      return files.some(file => readHeader(file) !== undefined)
    } catch {
      return false
    }
  }

  /** For the one who will append: voids what a dead compaction left and cuts a torn tail. */
  static open(
    files: JournalFiles,
    write: typeof writeSync = writeSync,
  ): { journal: Journal; contents: JournalContents } {
    const { active, header, contents, end } = scan(files)
    ftruncateSync(files[active], end)
    voidFile(files[1 - active] as number, write)
    return {
      journal: new Journal(files, active, header, end, write),
      contents,
    }
  }

  append(time: Time, request: Buffer, reply: Buffer): void {
    this.#append(encodeRecord(KIND_REQUEST, time, request, reply))
  }

  appendDrop(nodeId: number): void {
    const body = Buffer.alloc(8)
    body.writeBigUInt64LE(BigInt(nodeId))
    const time = { sec: 0, nsec: 0 }
    this.#append(encodeRecord(KIND_DROP, time, body, Buffer.alloc(0)))
  }

  #append(record: Buffer): void {
    const file = this.#files[this.#active]
    try {
      writeFully(this.#write, file, record, this.#end)
    } catch (error) {
      // Half a record must not stay in front of the next one.
      ftruncateSync(file, this.#end)
      throw error
    }
    this.#end += record.length
  }

  get wantsCompaction(): boolean {
    return this.#end > this.#compactAt
  }

  compact(state: ServerState): void {
    const next = (1 - this.#active) as 0 | 1
    const snapshot = snapshotRecord(state)
    const header = {
      generation: this.#generation + 1,
      snapshotLength: snapshot.length,
    }
    try {
      voidFile(this.#files[next], this.#write) // (1)
      writeFully(this.#write, this.#files[next], snapshot, RECORDS_AT) // (2)
      writeFully(this.#write, this.#files[next], encodeHeader(header), 0) // (3)
    } catch (error) {
      voidFile(this.#files[next], this.#write)
      // Not again with the very next request.
      this.#compactAt = this.#end + COMPACT_AFTER
      throw error
    }
    const old = this.#active
    this.#active = next
    this.#generation = header.generation
    this.#end = RECORDS_AT + snapshot.length
    this.#compactAt = compactionLimit(snapshot.length)
    voidFile(this.#files[old], this.#write) // (4)
  }
}

/**
 * Tied to the snapshot and not to the journal: a tree that is itself beyond a fixed limit
 * would be compacted with every request.
 */
function compactionLimit(snapshotLength: number): number {
  return RECORDS_AT + snapshotLength + Math.max(COMPACT_AFTER, snapshotLength)
}

function scan(files: JournalFiles): {
  active: 0 | 1
  header: Header
  contents: JournalContents
  end: number
} {
  // A reader beside the server may look just when (3) and (4) happen: then look again.
  for (let attempt = 1; ; attempt++) {
    const headers = [readHeader(files[0]), readHeader(files[1])] as const
    const active: 0 | 1 =
      (headers[1]?.generation ?? 0) > (headers[0]?.generation ?? 0) ? 1 : 0
    const header = headers[active]
    if (header !== undefined) {
      const found = scanFile(files[active], header)
      if (found !== undefined) return { active, header, ...found }
    }
    if (attempt === 3)
      throw new Error('journal: no valid generation with its snapshot')
  }
}

function scanFile(
  file: number,
  header: Header,
): { contents: JournalContents; end: number } | undefined {
  const bytes = readFully(file, RECORDS_AT)
  const snapshot = decodeRecord(bytes, 0)
  if (snapshot?.kind !== KIND_SNAPSHOT) return undefined
  if (snapshot.length !== header.snapshotLength) return undefined
  const state = decodeSnapshot(snapshot.request)
  const records: JournalRecord[] = []
  let at = snapshot.length
  for (;;) {
    const record = decodeRecord(bytes, at)
    if (record === undefined) break // the end, or a torn tail
    at += record.length
    const { time, request, reply } = record
    if (record.kind === KIND_REQUEST)
      records.push({ kind: 'request', time, request, reply })
    else if (record.kind === KIND_DROP)
      records.push({
        kind: 'drop',
        nodeId: Number(request.readBigUInt64LE(0)),
      })
    else throw new Error(`journal: a record of kind ${record.kind}`)
  }
  return { contents: { state, records }, end: RECORDS_AT + at }
}

function snapshotRecord(state: ServerState): Buffer {
  return encodeRecord(
    KIND_SNAPSHOT,
    { sec: 0, nsec: 0 },
    encodeSnapshot(state),
    Buffer.alloc(0),
  )
}

function encodeRecord(
  kind: number,
  time: Time,
  request: Buffer,
  reply: Buffer,
): Buffer {
  const length = RECORD_HEADER_SIZE + request.length + reply.length
  const record = Buffer.alloc(length)
  record.writeUInt32LE(length, 0)
  record.writeUInt32LE(kind, 8)
  record.writeUInt32LE(request.length, 12)
  record.writeBigInt64LE(BigInt(time.sec), 16)
  record.writeUInt32LE(time.nsec, 24)
  request.copy(record, RECORD_HEADER_SIZE)
  reply.copy(record, RECORD_HEADER_SIZE + request.length)
  record.writeUInt32LE(crc32(record.subarray(8)), 4)
  return record
}

function decodeRecord(
  bytes: Buffer,
  at: number,
):
  | { length: number; kind: number; time: Time; request: Buffer; reply: Buffer }
  | undefined {
  if (at + RECORD_HEADER_SIZE > bytes.length) return undefined
  const length = bytes.readUInt32LE(at)
  if (length < RECORD_HEADER_SIZE || at + length > bytes.length)
    return undefined
  const record = bytes.subarray(at, at + length)
  if (crc32(record.subarray(8)) !== record.readUInt32LE(4)) return undefined
  const split = RECORD_HEADER_SIZE + record.readUInt32LE(12)
  return {
    length,
    kind: record.readUInt32LE(8),
    time: {
      sec: Number(record.readBigInt64LE(16)),
      nsec: record.readUInt32LE(24),
    },
    request: record.subarray(RECORD_HEADER_SIZE, split),
    reply: record.subarray(split),
  }
}

function encodeHeader(header: Header): Buffer {
  const bytes = Buffer.alloc(HEADER_SIZE)
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.writeUInt32LE(VERSION, 4)
  bytes.writeBigUInt64LE(BigInt(header.generation), 8)
  bytes.writeBigUInt64LE(BigInt(header.snapshotLength), 16)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 32)), 32)
  return bytes
}

function readHeader(file: number): Header | undefined {
  const bytes = Buffer.alloc(HEADER_SIZE)
  if (readSync(file, bytes, 0, HEADER_SIZE, 0) < HEADER_SIZE) return undefined
  if (bytes.readUInt32LE(0) !== MAGIC) return undefined
  if (crc32(bytes.subarray(0, 32)) !== bytes.readUInt32LE(32)) return undefined
  if (bytes.readUInt32LE(4) !== VERSION)
    throw new Error('journal: another version')
  return {
    generation: Number(bytes.readBigUInt64LE(8)),
    snapshotLength: Number(bytes.readBigUInt64LE(16)),
  }
}

/** Leaves the slots. */
function voidFile(file: number, write: typeof writeSync): void {
  writeFully(write, file, Buffer.alloc(HEADER_SIZE), 0)
  ftruncateSync(file, RECORDS_AT)
}

function readFully(file: number, position: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - position))
  let at = 0
  while (at < bytes.length) {
    const count = readSync(file, bytes, at, bytes.length - at, position + at)
    if (count === 0) break
    at += count
  }
  return bytes.subarray(0, at)
}

function writeFully(
  write: typeof writeSync,
  file: number,
  bytes: Buffer,
  position: number,
): void {
  for (let at = 0; at < bytes.length;)
    at += write(file, bytes, at, bytes.length - at, position + at)
}
