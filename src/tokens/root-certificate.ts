/**
 * The certificate in kube-root-ca.crt. There is no API server for it to vouch for: it is there
 * because programs read the file at their start and refuse one that is no certificate.
 */
import { sign } from 'node:crypto'
import { promisify } from 'node:util'
import type { SigningKey } from './signing-key.ts'

const commonName = 'podfs'

/**
 * A self-signed certificate authority, PEM. It is made from the signing key alone (RSA
 * signatures are deterministic, the dates are fixed), so it needs no file of its own and stays
 * the same for as long as the key does.
 */
export async function rootCertificate(key: SigningKey): Promise<string> {
  const certificate = (await certificateBytes(key)).toString('base64')
  const lines = certificate.match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

/** RFC 5280, section 4.1. */
async function certificateBytes(key: SigningKey): Promise<Buffer> {
  const name = sequence(
    set(sequence(oid('550403'), der(0x0c, Buffer.from(commonName)))),
  )
  const algorithm = sequence(oid('2a864886f70d01010b'), der(0x05)) // sha256WithRSAEncryption
  const toBeSigned = sequence(
    der(0xa0, integer(2)), // version 3
    integer(1),
    algorithm,
    name,
    sequence(utcTime('200101000000Z'), utcTime('491231235959Z')),
    name,
    key.publicKey.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      sequence(
        extension('551d0f', der(0x03, Buffer.of(2, 0xa4))), // digitalSignature, keyCertSign
        extension('551d13', sequence(der(0x01, Buffer.of(0xff)))), // CA: yes
      ),
    ),
  )
  const signature = await promisify(sign)('sha256', toBeSigned, key.privateKey)
  return sequence(
    toBeSigned,
    algorithm,
    der(0x03, Buffer.concat([Buffer.of(0), signature])),
  )
}

/** A critical one. */
function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), der(0x01, Buffer.of(0xff)), der(0x04, value))
}

function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(content)
  const { length } = bytes
  const head =
    length < 0x80
      ? [length]
      : length < 0x100
        ? [0x81, length]
        : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...head), bytes])
}

const sequence = (...content: readonly Buffer[]): Buffer =>
  der(0x30, ...content)
const set = (...content: readonly Buffer[]): Buffer => der(0x31, ...content)
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'))
const integer = (value: number): Buffer => der(0x02, Buffer.of(value))
const utcTime = (text: string): Buffer => der(0x17, Buffer.from(text))
