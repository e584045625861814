import t from 'tap'
import { extractResourceValue } from '../../src/api/resource-field-ref.ts'
import { makeContainer } from '../helpers/make-objects.ts'

const container = makeContainer({
  resources: {
    limits: new Map([
      ['cpu', '1250m'],
      ['memory', '64Mi'],
      ['hugepages-2Mi', '4Mi'],
    ]),
    requests: new Map([
      ['cpu', '250m'],
      ['memory', '100M'],
    ]),
  },
})
const unlimited = makeContainer({
  resources: { limits: new Map([['cpu', '0']]), requests: new Map() },
})
const allocatable = new Map([
  ['cpu', '3500m'],
  ['memory', '2Gi'],
  ['ephemeral-storage', '10Gi'],
])

const cases: {
  name: string
  of?: typeof container
  resource: string
  divisor?: string
  value: string
}[] = [
  {
    name: 'C33 C73 limits.cpu rounds up',
    resource: 'limits.cpu',
    value: '2',
  },
  { name: 'divisor 0 is 1', resource: 'limits.cpu', divisor: '0', value: '2' },
  {
    name: 'cpu in thousandths',
    resource: 'limits.cpu',
    divisor: '1m',
    value: '1250',
  },
  {
    name: 'C34 C74 limits.memory',
    resource: 'limits.memory',
    value: '67108864',
  },
  {
    name: 'memory in Mi',
    resource: 'limits.memory',
    divisor: '1Mi',
    value: '64',
  },
  { name: 'C35 C75 requests.cpu', resource: 'requests.cpu', value: '1' },
  {
    name: 'C36 C76 requests.memory, 95.37 Mi round up',
    resource: 'requests.memory',
    divisor: '1Mi',
    value: '96',
  },
  {
    name: 'huge pages',
    resource: 'limits.hugepages-2Mi',
    divisor: '1Ki',
    value: '4096',
  },
  {
    name: 'C37 C77 a zero cpu limit is the allocatable',
    of: unlimited,
    resource: 'limits.cpu',
    value: '4',
  },
  {
    name: 'C38 C78 a missing memory limit is the allocatable',
    of: unlimited,
    resource: 'limits.memory',
    divisor: '1Gi',
    value: '2',
  },
  {
    name: 'a missing ephemeral-storage limit is the allocatable',
    of: unlimited,
    resource: 'limits.ephemeral-storage',
    divisor: '1Gi',
    value: '10',
  },
  {
    name: 'missing huge pages are not defaulted',
    of: unlimited,
    resource: 'limits.hugepages-1Gi',
    value: '0',
  },
  {
    name: 'a missing request is 0',
    of: unlimited,
    resource: 'requests.memory',
    value: '0',
  },
]
for (const { name, of = container, value, ...selector } of cases)
  t.equal(extractResourceValue(of, selector, allocatable), value, name)

const refused: { resource: string; divisor?: string; message: RegExp }[] = [
  {
    resource: 'limits.gpu',
    message: /^unsupported container resource : limits\.gpu$/,
  },
  { resource: 'cpu', message: /unsupported container resource : cpu/ },
  { resource: 'limits.cpu', divisor: 'x', message: /divisor: not a quantity/ },
  { resource: 'limits.cpu', divisor: '-1', message: /must not be negative/ },
]
for (const { message, ...selector } of refused)
  t.throws(
    () => extractResourceValue(container, selector, allocatable),
    { name: 'RangeError', message },
    `refuses ${JSON.stringify(selector)}`,
  )
t.throws(
  () =>
    extractResourceValue(
      makeContainer({
        resources: { limits: new Map([['cpu', 'lots']]), requests: new Map() },
      }),
      { resource: 'limits.cpu' },
      allocatable,
    ),
  { name: 'RangeError', message: /cpu: not a quantity: "lots"/ },
  'names the resource with a bad quantity',
)
