/** From here on it pays to load zlib, which is ten times as quick. */
const LARGE = 1 << 20

const table = new Int32Array(256).map((_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++)
    value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/** CRC-32 (IEEE 802.3). Of little not `zlib.crc32`: loading zlib costs start-up. */
export function crc32(bytes: Uint8Array): number {
  if (bytes.length >= LARGE)
    return process.getBuiltinModule('node:zlib').crc32(bytes)
  let crc = -1
  for (let at = 0; at < bytes.length; at++)
    crc = (crc >>> 8) ^ (table[(crc ^ (bytes[at] as number)) & 0xff] as number)
  return ~crc >>> 0
}
