import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { pemBlocks } from '../../api/pem.ts'
import { Failure } from '../../util/failure.ts'

/**
 * Throws a Failure, in the words of Go's tls.X509KeyPair, unless the first certificate of one
 * text belongs to the first private key of the other.
 */
export function checkKeyPair(certificate: Uint8Array, key: Uint8Array): void {
  const leaf = parseCertificate(firstCertificate(certificate))
  const privateKey = parsePrivateKey(firstPrivateKey(key))
  if (!['rsa', 'ec', 'ed25519'].includes(typeOf(leaf.publicKey)))
    throw refusal('unknown public key algorithm')
  if (typeOf(leaf.publicKey) !== typeOf(privateKey))
    throw refusal('private key type does not match public key type')
  if (!leaf.checkPrivateKey(privateKey))
    throw refusal('private key does not match public key')
}

function typeOf(key: KeyObject): string {
  return key.asymmetricKeyType ?? ''
}

function firstCertificate(text: Uint8Array): Uint8Array {
  const blocks = pemBlocks(text)
  const found = blocks.find(({ label }) => label === 'CERTIFICATE')
  if (found !== undefined) return found.der
  const [first, ...more] = blocks.map(({ label }) => label)
  if (first === undefined)
    throw refusal('failed to find any PEM data in certificate input')
  throw refusal(
    more.length === 0 && first.endsWith('PRIVATE KEY')
      ? 'failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched'
      : `failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${[first, ...more].join(' ')}]`,
  )
}

function firstPrivateKey(text: Uint8Array): Uint8Array {
  const blocks = pemBlocks(text)
  const found = blocks.find(({ label }) => /^(.* )?PRIVATE KEY$/.test(label))
  if (found !== undefined) return found.der
  const labels = blocks.map(({ label }) => label)
  if (labels.length === 0)
    throw refusal('failed to find any PEM data in key input')
  throw refusal(
    labels.length === 1 && labels[0] === 'CERTIFICATE'
      ? 'found a certificate rather than a key in the PEM for the private key'
      : `failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${labels.join(' ')}]`,
  )
}

function parseCertificate(der: Uint8Array): X509Certificate {
  try {
    const certificate = new X509Certificate(der)
    // Read here, where a key that nobody can read is still a mistake in the certificate.
    return certificate.publicKey && certificate
  } catch (error) {
    throw new Failure('usage', 'x509: malformed certificate', { cause: error })
  }
}

function parsePrivateKey(der: Uint8Array): KeyObject {
  for (const type of ['pkcs1', 'pkcs8', 'sec1'] as const) {
    try {
      return createPrivateKey({ key: Buffer.from(der), format: 'der', type })
    } catch {
      // The next encoding is tried: nothing in the key says which one it is.
    }
  }
  throw refusal('failed to parse private key')
}

function refusal(message: string): Failure {
  return new Failure('usage', `tls: ${message}`)
}
