import { isIP } from 'node:net'

/**
 * ParseIPSloppy: what Go's net.ParseIP took before it refused zeros in front. Gives the
 * address as Go prints it, or undefined.
 */
export function parseIP(text: string): string | undefined {
  const sloppy = /^\d+(\.\d+){3}$/.test(text)
    ? text.replace(/\d+/g, octet => octet.replace(/^0+(?=\d)/, ''))
    : text
  switch (isIP(sloppy)) {
    case 4:
      return sloppy
    case 6:
      // Zones are no part of an address for Go.
      return text.includes('%') ? undefined : canonicalIPv6(text)
    default:
      return undefined
  }
}

/** RFC 5952; an IPv4 address in IPv6 clothes is an IPv4 address. */
function canonicalIPv6(text: string): string {
  const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(canonical)
  if (mapped === null) return canonical
  const [high = 0, low = 0] = mapped
    .slice(1)
    .map(part => Number.parseInt(part, 16))
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
