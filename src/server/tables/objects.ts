import { items, nameOf, part, text, type JsonObject } from '../../api/json.ts'
import { ageOf, orNone, type TableFormat } from './table.ts'

/*
 * The columns of `kubectl get`, from pkg/printers/internalversion/printers.go of v1.34; those
 * of volumes are podfs's own.
 */

export const secretTable: TableFormat = {
  columns: [
    { name: 'Name' },
    { name: 'Type' },
    { name: 'Data', type: 'integer' },
    { name: 'Age' },
  ],
  cells: (secret, now) => [
    nameOf(secret),
    text(secret['type']),
    Object.keys(part(secret, 'data')).length,
    ageOf(part(secret, 'metadata')['creationTimestamp'], now),
  ],
}

export const serviceAccountTable: TableFormat = {
  columns: [
    { name: 'Name' },
    { name: 'Secrets', type: 'integer' },
    { name: 'Age' },
  ],
  cells: (account, now) => [
    nameOf(account),
    items(account, 'secrets').length,
    ageOf(part(account, 'metadata')['creationTimestamp'], now),
  ],
}

export const clusterTrustBundleTable: TableFormat = {
  columns: [{ name: 'Name' }, { name: 'SignerName' }],
  cells: bundle => [
    nameOf(bundle),
    orNone(text(part(bundle, 'spec')['signerName'])),
  ],
}

export const configMapTable: TableFormat = {
  columns: [
    { name: 'Name' },
    { name: 'Data', type: 'integer' },
    { name: 'Age' },
  ],
  cells: (configMap, now) => [
    nameOf(configMap),
    Object.keys(part(configMap, 'data')).length +
      Object.keys(part(configMap, 'binaryData')).length,
    ageOf(part(configMap, 'metadata')['creationTimestamp'], now),
  ],
}

export const eventTable: TableFormat = {
  columns: [
    { name: 'Last Seen' },
    { name: 'Type' },
    { name: 'Reason' },
    { name: 'Object' },
    { name: 'Subobject', priority: 1 },
    { name: 'Source', priority: 1 },
    { name: 'Message' },
    { name: 'First Seen', priority: 1 },
    { name: 'Count', type: 'integer', priority: 1 },
    { name: 'Name', priority: 1 },
  ],
  cells: (event, now) => {
    const object = part(event, 'involvedObject')
    const { component, host } = part(event, 'source')
    return [
      ageOf(event['lastTimestamp'], now),
      text(event['type']),
      text(event['reason']),
      `${text(object['kind']).toLowerCase()}/${text(object['name'])}`,
      text(object['fieldPath']),
      `${text(component)}, ${text(host)}`,
      text(event['message']).trim(),
      ageOf(event['firstTimestamp'], now),
      event['count'] ?? 1,
      nameOf(event),
    ]
  },
}

export const namespaceTable: TableFormat = {
  columns: [{ name: 'Name' }, { name: 'Status' }, { name: 'Age' }],
  cells: (namespace, now) => [
    nameOf(namespace),
    text(part(namespace, 'status')['phase']),
    ageOf(part(namespace, 'metadata')['creationTimestamp'], now),
  ],
}

export const nodeTable: TableFormat = {
  columns: [
    { name: 'Name' },
    { name: 'Status' },
    { name: 'Roles' },
    { name: 'Age' },
    { name: 'Version' },
    { name: 'Internal-IP', priority: 1 },
    { name: 'External-IP', priority: 1 },
    { name: 'OS-Image', priority: 1 },
    { name: 'Kernel-Version', priority: 1 },
    { name: 'Container-Runtime', priority: 1 },
  ],
  cells: (node, now) => {
    const status = part(node, 'status')
    const info = part(status, 'nodeInfo')
    const [address = {}] = items(status, 'addresses')
    return [
      nameOf(node),
      'Ready',
      '<none>',
      ageOf(part(node, 'metadata')['creationTimestamp'], now),
      text(info['kubeletVersion']),
      orNone(text(address['address'])),
      '<none>',
      text(info['osImage']),
      text(info['kernelVersion']),
      text(info['containerRuntimeVersion']),
    ]
  },
}

export const volumeTable: TableFormat = {
  columns: [
    { name: 'Pod' },
    { name: 'Volume' },
    { name: 'Type' },
    { name: 'Keys', type: 'integer' },
    { name: 'Generation', type: 'integer' },
    { name: 'Pinned' },
    { name: 'Age' },
    { name: 'Mountpoint' },
    { name: 'Error' },
  ],
  cells: (volume, now) => {
    const spec = part(volume, 'spec')
    const status = part(volume, 'status')
    const mountpoints = (spec['mountpoints'] ?? []) as readonly string[]
    return [
      orNone(text(spec['podName'])),
      text(spec['volumeName']),
      text(spec['type']),
      status['keys'] ?? 0,
      status['generation'] ?? 0,
      orNone(text(status['pinnedGeneration'])),
      status['lastPublishTime'] === undefined
        ? '<none>'
        : ageOf(status['lastPublishTime'], now),
      orNone(mountpoints.join(',')),
      orNone(text(status['error'])),
    ]
  },
}

/** As many names of files as a line takes; JSON has all. */
const namedChanges = 4

export const generationTable: TableFormat = {
  columns: [
    { name: 'Generation', type: 'integer' },
    { name: 'Age' },
    { name: 'Status' },
    { name: 'Source' },
    { name: 'Changes' },
  ],
  cells: (generation, now) => {
    const { rollbackTo, current, pinned } = generation
    const sources = items(generation, 'sources').map(
      ({ kind, name }) => `${text(kind).toLowerCase()}/${text(name)}`,
    )
    const status = current === true ? 'current' : 'superseded'
    return [
      generation['generation'] ?? 0,
      ageOf(part(generation, 'metadata')['creationTimestamp'], now),
      pinned === true ? `${status},pinned` : status,
      rollbackTo === undefined
        ? orNone(sources.join(','))
        : `rollback to ${text(rollbackTo)}`,
      orNone(changesText(part(generation, 'changes'))),
    ]
  },
}

/** `+new ~other -gone`. */
function changesText(changes: JsonObject): string {
  const names = (key: string, sign: string): string[] =>
    ((changes[key] ?? []) as readonly string[]).map(name => `${sign}${name}`)
  const all = [
    ...names('added', '+'),
    ...names('changed', '~'),
    ...names('removed', '-'),
  ]
  const rest = all.length - namedChanges
  const named = all.slice(0, namedChanges).join(' ')
  return rest > 0 ? `${named} and ${rest} more` : named
}
