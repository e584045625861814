import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import t from 'tap'

import {
  hostNetworkHostsFileContent,
  managedHostsFileContent,
  writeOwnFile,
} from '../../src/runner/launch/hosts-file.ts'

const head = `# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
`
const plain = { podIPs: ['127.1.2.3'], hostname: 'p', domain: '' }
const hostAliases = [
  { ip: '123.45.67.89', hostnames: ['foo', 'bar'] },
  { ip: '::2', hostnames: ['baz'] },
]
const aliasLines = `
# Entries added by HostAliases.
123.45.67.89\tfoo\tbar
::2\tbaz
`

const cases = [
  {
    name: 'C176: a plain Pod',
    hosts: { ...plain, hostAliases: [] },
    expected: '127.1.2.3\tp\n',
  },
  {
    name: 'C177: hostAliases',
    hosts: { ...plain, hostAliases },
    expected: `127.1.2.3\tp\n${aliasLines}`,
  },
  {
    name: '3.1: an alias without a name keeps its tab',
    hosts: { ...plain, hostAliases: [{ ip: '10.0.0.9', hostnames: [] }] },
    expected: '127.1.2.3\tp\n\n# Entries added by HostAliases.\n10.0.0.9\t\n',
  },
  {
    name: 'C179: with a subdomain',
    hosts: { ...plain, domain: 's.ns.svc.cluster.local', hostAliases: [] },
    expected: '127.1.2.3\tp.s.ns.svc.cluster.local\tp\n',
  },
  {
    name: 'two addresses',
    hosts: { ...plain, podIPs: ['127.1.2.3', '::3'], hostAliases: [] },
    expected: '127.1.2.3\tp\n::3\tp\n',
  },
]

for (const { name, hosts, expected } of cases) {
  t.test(name, async t => {
    t.equal(managedHostsFileContent(hosts), head + expected)
  })
}

t.test('C178: hostNetwork keeps the bytes of the machine', async t => {
  const header = '# Kubernetes-managed hosts file (host network).\n'
  t.equal(hostNetworkHostsFileContent('a\nb', []), `${header}a\nb`)
  t.equal(
    hostNetworkHostsFileContent('a\n', hostAliases),
    `${header}a\n${aliasLines}`,
  )
})

t.test('3.1: a rewrite keeps the inode and gives 0644', async t => {
  const path = join(t.testdir(), 'hosts')
  writeFileSync(path, 'something longer than what comes', { mode: 0o600 })
  const { ino } = statSync(path)
  writeOwnFile(path, 'short\n')
  t.equal(readFileSync(path, 'utf8'), 'short\n')
  t.equal(statSync(path).ino, ino)
  t.equal(statSync(path).mode & 0o777, 0o644)
})
