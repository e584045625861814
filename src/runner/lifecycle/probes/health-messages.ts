/*
 * The two messages of grpc.health.v1 (health.proto), each with one field: no code of protobuf is
 * loaded for that.
 */

/** `message HealthCheckRequest { string service = 1; }` */
export function encodeService(service: string): Buffer {
  if (service === '') return Buffer.alloc(0)
  const name = Buffer.from(service)
  return Buffer.concat([Buffer.from([0x0a, ...varint(name.length)]), name])
}

const statuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN']

/** `message HealthCheckResponse { ServingStatus status = 1; }`; absent is 0, as in all of proto3. */
export function decodeHealth(message: Buffer): string {
  const status = message[0] === 0x08 ? (message[1] ?? 0) : 0
  return statuses[status] ?? String(status)
}

function varint(value: number): number[] {
  return value < 0x80
    ? [value]
    : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}
