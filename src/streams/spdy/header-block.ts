/*
 * The name/value blocks of SPDY/3 (draft 3, 2.6.10). All blocks of one direction are one zlib
 * stream (RFC 1950) with a preset dictionary, which is flushed after each of them.
 */
import { constants, inflateRawSync } from 'node:zlib'

/** Of a block as it is meant; larger than what anybody says of a stream. */
const maxBlockBytes = 64 * 1024

/** How far back a deflated block may refer (RFC 1951, 2). */
const windowBytes = 32 * 1024

/** CMF and FLG of RFC 1950: deflate, its whole window, a preset dictionary. */
const zlibHeader = [0x78, 0x20]
const presetDictionary = 0x20
/** CMF and FLG, and the checksum of the dictionary. */
const zlibHeaderBytes = 6

const names =
  'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control connection content-base content-encoding content-language content-length content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get status'
const laterNames = 'version HTTP/1.1 url public set-cookie keep-alive origin'
const phrases =
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.'

/** Of draft 3, 2.6.10.1: words as in a block, each behind its length, and then phrases. */
export const spdyDictionary = Buffer.concat([
  ...[...names.split(' '), '200 OK', ...laterNames.split(' ')].map(counted),
  Buffer.from(phrases),
])

/** Adler-32 (RFC 1950, 8.2). */
const dictionaryChecksum = adler32(spdyDictionary)

/** By their names, which are in lower case. */
export type SpdyHeaders = ReadonlyMap<string, string>

/** Reads the blocks of one direction, each in its turn. */
export class HeaderBlocks {
  /** What was said before, as far as a block may refer to it. Absent: nothing was. */
  #window: Buffer | undefined

  /** Throws an Error for what is no block; nothing can be read after it. */
  read(block: Buffer): SpdyHeaders {
    let deflated = block
    if (this.#window === undefined) {
      deflated = withoutZlibHeader(block)
      this.#window = spdyDictionary
    }
    const text = inflateRawSync(deflated, {
      dictionary: this.#window,
      // It goes on with the next block.
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: maxBlockBytes,
    })
    this.#window = Buffer.concat([this.#window, text]).subarray(-windowBytes)
    return headersOf(text)
  }
}

/**
 * A block without a header, which is all that a server has to say. It is stored, not deflated
 * (RFC 1951, 3.2.4), and so needs no state but whether it is the first one. Go hands on what it
 * has read at the empty one behind it, which is what zlib ends a flush with.
 */
export function emptyBlock(isFirst: boolean): Buffer {
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(dictionaryChecksum)
  const header = isFirst ? [Buffer.from(zlibHeader), checksum] : []
  return Buffer.concat([...header, stored(Buffer.alloc(4)), stored()])
}

function stored(bytes: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt16LE(bytes.length, 1)
  head.writeUInt16LE(~bytes.length & 0xffff, 3)
  return Buffer.concat([head, bytes])
}

function withoutZlibHeader(block: Buffer): Buffer {
  if (
    block.length < zlibHeaderBytes ||
    (block.readUInt8(1) & presetDictionary) === 0 ||
    block.readUInt32BE(2) !== dictionaryChecksum
  )
    throw new Error('the headers are not of SPDY/3')
  return block.subarray(zlibHeaderBytes)
}

function headersOf(text: Buffer): SpdyHeaders {
  const headers = new Map<string, string>()
  let at = 4
  const word = (): string => {
    const start = at + 4
    const end = start + text.readUInt32BE(at)
    if (end > text.length) throw new Error('a header is cut off')
    at = end
    return text.toString('utf8', start, end)
  }
  for (let left = text.readUInt32BE(0); left > 0; left -= 1)
    headers.set(word().toLowerCase(), word())
  return headers
}

function counted(word: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(word.length)
  return Buffer.concat([length, Buffer.from(word)])
}

function adler32(bytes: Buffer): number {
  let [a, b] = [1, 0]
  for (const byte of bytes) {
    a = (a + byte) % 65_521
    b = (b + a) % 65_521
  }
  return b * 65_536 + a
}
