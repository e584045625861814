import path from 'node:path'
import { Failure } from '../../util/failure.ts'
import { checkKeyPair } from './key-pair.ts'
import { NewSecret } from './new-object.ts'
import { objectCommand } from './object-command.ts'
import { contents } from './sources.ts'

export const createTlsSecretCommand = objectCommand({
  name: 'tls',
  summary: 'print the manifest of a Secret with a certificate, or save it',
  usage: ['create secret tls NAME --cert=FILE --key=FILE'],
  description: `Prints what 'kubectl create secret tls NAME --dry-run=client -o yaml' prints. Both files are
PEM, and the key must be the certificate's.`,
  examples: [
    {
      comment: 'a certificate and its key, saved as k8s/web-secret.yaml',
      line: 'podfs create secret tls web --cert=tls.crt --key=tls.key --save k8s/',
    },
  ],
  options: {
    cert: { value: 'FILE', help: 'the certificate, or chain, in PEM' },
    key: { value: 'FILE', help: "the certificate's private key, in PEM" },
  },
  make: async (identity, options, context) => {
    const [cert, key] = [options.value('cert'), options.value('key')]
    if (!cert || !key)
      throw new Failure('usage', 'key and cert must be specified')
    const secret = new NewSecret(identity, 'kubernetes.io/tls')
    const certificate = await readPem(cert, context.cwd)
    const privateKey = await readPem(key, context.cwd)
    checkKeyPair(certificate, privateKey)
    secret.add('tls.crt', certificate)
    secret.add('tls.key', privateKey)
    return secret
  },
})

async function readPem(file: string, cwd: string): Promise<Uint8Array> {
  try {
    return await contents(path.resolve(cwd, file), file)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new Failure('usage', `Cannot read file ${file}, ${error.message}`, {
      cause: error,
    })
  }
}
