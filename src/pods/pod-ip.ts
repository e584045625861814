import { createHash } from 'node:crypto'

/**
 * The loopback address of a Pod until Pods have networks of their own: stable for its
 * namespace and name, and none of those in `taken`. The kernel answers on all of
 * 127.0.0.0/8 (`lo` has the whole net), so nothing must be set up. 127.0.x.y is left to
 * people and distributions (127.0.0.53, 127.0.1.1).
 */
export function podIPFor(
  namespace: string,
  name: string,
  taken: ReadonlySet<string>,
): string {
  for (let attempt = 0; ; attempt++) {
    const digest = createHash('sha256')
      .update(JSON.stringify([namespace, name, attempt]))
      .digest()
    const ip = [
      127,
      1 + (digest.readUInt8(0) % 254),
      digest.readUInt8(1),
      1 + (digest.readUInt8(2) % 254),
    ].join('.')
    if (!taken.has(ip)) return ip
  }
}
