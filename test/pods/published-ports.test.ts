import t from 'tap'
import type { ContainerPort } from '../../src/api/types.ts'
import {
  parsePublished,
  publishedPorts,
  refuseUnusedPorts,
} from '../../src/pods/published-ports.ts'
import { placesFor } from '../../src/pods/machine-places.ts'
import { reachableLines } from '../../src/pods/reachable-lines.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

t.test('--publish', async t => {
  t.match(parsePublished('8080:80'), {
    hostPort: 8080,
    containerPort: 80,
    protocol: 'TCP',
    hostIP: undefined,
    pod: undefined,
  })
  t.match(parsePublished('127.0.0.1:53:5353/udp'), {
    hostIP: '127.0.0.1',
    hostPort: 53,
    containerPort: 5353,
    protocol: 'UDP',
  })
  t.match(parsePublished('deployment/web:127.0.0.1:8080:80'), {
    pod: 'deployment/web',
    hostIP: '127.0.0.1',
  })
  for (const text of [
    '80',
    '0:80',
    '80:65536',
    '80:80/icmp',
    'a:b:80:80',
    ':80:80',
    'web/:80:80',
  ])
    t.throws(() => parsePublished(text), { name: 'Failure' }, text)
})

t.test('a port leads to a Pod', async t => {
  const web = makePod({ name: 'web' })
  const db = makePod({ name: 'db' })
  const any = parsePublished('8080:80')
  const ofDb = parsePublished('db:1:2')
  t.same(publishedPorts([any, ofDb], web), [
    { hostPort: 8080, containerPort: 80, protocol: 'TCP' },
  ])
  t.equal(publishedPorts([any, ofDb], db).length, 2)
  refuseUnusedPorts([any], [web])
  refuseUnusedPorts([ofDb], [web, db])
  t.throws(() => refuseUnusedPorts([any], [web, db]), {
    message: '--publish 8080:80: there are 2 Pods',
    fix: '--publish web:8080:80',
  })
  t.throws(() => refuseUnusedPorts([ofDb], [web]), {
    message: '--publish db:1:2: no Pod db is run',
  })
})

t.test('where a port is', async t => {
  const ports: ContainerPort[] = [
    { name: 'http', containerPort: 80, protocol: 'TCP', hostPort: 8080 },
    { containerPort: 53, protocol: 'UDP' },
  ]
  const pod = makePod({
    name: 'web',
    spec: { containers: [makeContainer({ ports })] },
  })
  const publish = [
    { hostPort: 9, containerPort: 99, protocol: 'TCP', hostIP: '127.0.0.2' },
    { hostPort: 81, containerPort: 80, protocol: 'TCP' },
  ]
  t.same(reachableLines(pod, ['10.1.2.3'], { publish }), [
    'Pod default/web: port 80 (http) is at 10.1.2.3:80 and localhost:8080 and localhost:81',
    'Pod default/web: port 53/udp is at 10.1.2.3:53',
    'Pod default/web: port 99 is at 10.1.2.3:99 and 127.0.0.2:9',
  ])
})

t.test('where an ordinary user finds the ports of a Pod', async t => {
  const ports = [80, 443, 8080, 80, 62_000].map(containerPort => ({
    containerPort,
    protocol: 'TCP',
  })) as ContainerPort[]
  const udp: ContainerPort = { containerPort: 80, protocol: 'UDP' }
  const sctp: ContainerPort = { containerPort: 9, protocol: 'SCTP' }
  const pod = makePod({
    spec: { containers: [makeContainer({ ports: [...ports, udp, sctp] })] },
  })
  const hostPorts = placesFor(pod, 1024).map(
    ({ containerPort, hostPort, protocol }) =>
      `${containerPort}/${protocol} at ${hostPort}`,
  )
  t.same(hostPorts, [
    '8080/TCP at 8080',
    '62000/TCP at 62000',
    '80/TCP at 16080',
    '443/TCP at 8443',
    '80/UDP at 8080',
  ])
  t.match(placesFor(pod, 80), [{ hostPort: 80 }])
  const places = placesFor(pod, 1024).map(place => ({
    ...place,
    hostIP: '127.1.2.3',
  }))
  const lines = reachableLines(pod, ['10.1.2.3'], { publish: [], places })
  t.match(
    lines[0],
    /port 80 is at 127\.1\.2\.3:16080, for Pods at 10\.1\.2\.3:80$/,
  )
  t.match(lines.at(-1), /port 9\/sctp is for Pods at 10\.1\.2\.3:9$/)
})
