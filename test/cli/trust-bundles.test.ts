import {
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { certificate } from '../helpers/certificates.ts'
import { eventually, podfs, startPodfs } from '../helpers/podfs.ts'
import '../helpers/needs-mounts.ts'

/*
 * ClusterTrustBundles from the input to the file in a volume, live, and in the API.
 */

const count = (text: string): number =>
  text.split('-----BEGIN CERTIFICATE-----').length - 1

t.test('a volume follows the trust bundles', async t => {
  const directory = await mkdtemp('/tmp/podfs-trust-')
  t.teardown(() => rm(directory, { recursive: true }))
  const manifests = path.join(directory, 'in')
  const mount = path.join(directory, 'mnt')
  await mkdir(manifests)
  await mkdir(mount)
  const write = async (name: string, object: object): Promise<void> => {
    const file = path.join(manifests, `${name}.json`)
    await writeFile(`${file}.new`, JSON.stringify(object))
    await rename(`${file}.new`, file)
  }
  const bundle = (name: string, tier: string, trustBundle: string) =>
    write(name.replaceAll(':', '-'), {
      apiVersion: 'certificates.k8s.io/v1beta1',
      kind: 'ClusterTrustBundle',
      metadata: { name, labels: { tier } },
      spec: {
        trustBundle,
        ...(name.includes(':') && { signerName: 'example.com/mesh' }),
      },
    })
  const selector = { matchLabels: { tier: 'live' } }
  const sources = [
    { name: 'plain', path: 'plain.pem' },
    {
      signerName: 'example.com/mesh',
      labelSelector: selector,
      path: 'mesh.pem',
    },
  ].map(clusterTrustBundle => ({ clusterTrustBundle }))
  await write('pod', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web' },
    spec: {
      containers: [{ name: 'main', image: 'busybox' }],
      volumes: [{ name: 'trust', projected: { sources } }],
    },
  })
  await bundle('example.com:mesh:one', 'live', certificate('a'))

  const args = ['mount', '-f', manifests, '--pod', 'web', '--volume', 'trust']
  const served = startPodfs(t, [...args, mount])
  // The other source alone would do; all of a volume waits for each.
  await served.saw(
    /clusterTrustBundle\.name: MountVolume\.SetUp failed for volume "trust" : while getting ClusterTrustBundle: clustertrustbundle\.certificates\.k8s\.io "plain" not found/,
    'stderr',
  )
  const read = (file: string) => readFile(path.join(mount, file), 'utf8')
  await bundle('plain', '', `# mine\n${certificate('b')}`)
  await served.saw(/ready/)
  t.equal(await read('plain.pem'), certificate('b'))
  t.equal(await read('mesh.pem'), certificate('a'))

  const hasCertificates = (file: string, expected: number) =>
    eventually(async () => count(await read(file)) === expected || undefined)
  await bundle('example.com:mesh:two', 'live', certificate('c'))
  await hasCertificates('mesh.pem', 2)
  await bundle('example.com:mesh:one', 'test', certificate('a'))
  await hasCertificates('mesh.pem', 1)
  t.equal(await read('mesh.pem'), certificate('c'))

  const look = (...words: readonly string[]) =>
    podfs(t, [...words, '--session', String(served.pid)])
  t.match(await look('get', 'clustertrustbundles'), {
    code: 0,
    stdout: [
      'NAME                   SIGNERNAME',
      'example.com:mesh:one   example.com/mesh',
      'example.com:mesh:two   example.com/mesh',
      'plain                  <none>',
      '',
    ].join('\n'),
  })
  t.match(await look('get', 'clustertrustbundle', 'plain', '-o', 'name'), {
    stdout: 'clustertrustbundle.certificates.k8s.io/plain\n',
  })
  t.match(await look('diff', 'default/web/trust'), {
    code: 0,
    stdout: /BEGIN CERTIFICATE/,
  })
})
