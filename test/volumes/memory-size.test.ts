import t from 'tap'
import { emptyDirMemorySize } from '../../src/volumes/memory-size.ts'
import { makeContainer, makePod } from '../helpers/make-objects.ts'

const Mi = 1024n * 1024n
const limited = (...limits: (string | undefined)[]) =>
  limits.map((memory, i) =>
    makeContainer({
      name: `c${i}`,
      resources: {
        limits: new Map(memory === undefined ? [] : [['memory', memory]]),
        requests: new Map(),
      },
    }),
  )

for (const { name, sizeLimit, containers, init = [], ofPod, size } of [
  { name: 'nothing said', containers: [undefined], size: 1024n * Mi },
  { name: 'sizeLimit', sizeLimit: '10Mi', containers: [undefined], size: 10n },
  {
    name: 'sizeLimit above the node',
    sizeLimit: '2Gi',
    containers: [undefined],
    size: 1024n,
  },
  { name: 'all containers limited', containers: ['64Mi', '32Mi'], size: 96n },
  {
    name: 'one without a limit',
    containers: ['64Mi', undefined],
    size: 1024n,
  },
  {
    name: 'an init container needs more',
    containers: ['64Mi'],
    init: ['128Mi'],
    size: 128n,
  },
  { name: 'the Pod limited', containers: ['64Mi'], ofPod: '80Mi', size: 80n },
  {
    name: 'sizeLimit below the limits',
    sizeLimit: '1Mi',
    containers: ['64Mi'],
    size: 1n,
  },
])
  t.test(`C167: the size of a tmpfs: ${name}`, async t => {
    const pod = makePod({
      spec: {
        containers: limited(...containers),
        initContainers: limited(...init),
        ...(ofPod && {
          resources: {
            limits: new Map([['memory', ofPod]]),
            requests: new Map(),
          },
        }),
      },
    })
    t.equal(
      emptyDirMemorySize(
        {
          medium: 'Memory',
          ...(sizeLimit !== undefined && { sizeLimit }),
        },
        pod,
        new Map([['memory', '1Gi']]),
      ),
      size < Mi ? size * Mi : size,
    )
  })
