import { availableParallelism, totalmem } from 'node:os'
import { modeAndContent, type Json, type Look } from './conformance-pod.ts'

/*
 * The downward API in a volume, which is the same by itself and as a projected source.
 */

export interface DownwardVolume {
  readonly source: (items: readonly Json[], more?: Json) => Json
  readonly ids: {
    readonly podName: string
    readonly defaultMode: string
    readonly itemMode: string
    readonly fsGroup: string
    readonly fsGroupMode: string
    readonly labels: string
    readonly annotations: string
    readonly cpuLimit: string
    readonly memoryLimit: string
    readonly cpuRequest: string
    readonly memoryRequest: string
    readonly cpuAllocatable: string
    readonly memoryAllocatable: string
  }
}

export const downwardPod = {
  metadata: {
    name: 'downward-pod',
    labels: { key1: 'value1', key2: 'value2' },
    annotations: { builder: 'bar' },
  },
  changedMetadata: {
    name: 'downward-pod',
    labels: { key1: 'value1', key2: 'value2', key3: 'value3' },
    annotations: { builder: 'foo' },
  },
  /** What resourceFieldRefs speak of. */
  containers: [
    {
      name: 'client-container',
      image: 'busybox',
      command: ['true'],
      resources: {
        requests: { cpu: '250m', memory: '32Mi' },
        limits: { cpu: '1250m', memory: '128Mi' },
      },
    },
    { name: 'unlimited', image: 'busybox', command: ['true'] },
  ],
}

const podName = (more: Json = {}): Json => ({
  path: 'podname',
  fieldRef: { fieldPath: 'metadata.name' },
  ...more,
})

function resource(field: string, containerName = 'client-container'): Json[] {
  const resourceFieldRef = { containerName, resource: field }
  return [{ path: 'file', resourceFieldRef }]
}

export function downwardLooks({ source, ids }: DownwardVolume): Look[] {
  const map = (fieldPath: string): Json[] => [
    source([{ path: 'file', fieldRef: { fieldPath } }]),
  ]
  const resources: readonly [string, string, Json[], string][] = [
    [ids.cpuLimit, 'cpu limit', resource('limits.cpu'), '2'],
    [ids.memoryLimit, 'memory limit', resource('limits.memory'), '134217728'],
    [ids.cpuRequest, 'cpu request', resource('requests.cpu'), '1'],
    [
      ids.memoryRequest,
      'memory request',
      resource('requests.memory'),
      '33554432',
    ],
    [
      ids.cpuAllocatable,
      'node allocatable cpu, where there is no limit',
      resource('limits.cpu', 'unlimited'),
      String(availableParallelism()),
    ],
    [
      ids.memoryAllocatable,
      'node allocatable memory, where there is no limit',
      resource('limits.memory', 'unlimited'),
      String(totalmem()),
    ],
  ]
  return [
    {
      ids: ids.podName,
      what: 'the name of the Pod, without a newline',
      volumes: [source([podName()])],
      see: modeAndContent('podname'),
      expect: '-rw-r--r--\ndownward-pod',
    },
    {
      ids: ids.defaultMode,
      what: 'defaultMode 0400',
      volumes: [source([podName()], { defaultMode: 0o400 })],
      see: modeAndContent('podname'),
      expect: '-r--------\ndownward-pod',
    },
    {
      ids: ids.itemMode,
      what: 'items[].mode 0400',
      volumes: [source([podName({ mode: 0o400 })])],
      see: modeAndContent('podname'),
      expect: '-r--------\ndownward-pod',
    },
    {
      ids: ids.labels,
      what: 'labels, live',
      volumes: map('metadata.labels'),
      see: 'cat $V/file',
      expect: 'key1="value1"\nkey2="value2"',
      after: 'key1="value1"\nkey2="value2"\nkey3="value3"',
    },
    {
      ids: ids.annotations,
      what: 'annotations, live',
      volumes: map('metadata.annotations'),
      see: 'cat $V/file',
      expect: 'builder="bar"',
      after: 'builder="foo"',
    },
    ...resources.map(([ids, what, items, expect]) => ({
      ids,
      what,
      volumes: [source(items)],
      see: 'cat $V/file',
      expect,
    })),
  ]
}

/** With fsGroup 1001 in the Pod. */
export function downwardGroupLooks({ source, ids }: DownwardVolume): Look[] {
  return [
    {
      ids: ids.fsGroup,
      what: 'the name of the Pod, read by another user with fsGroup',
      as: 1000,
      volumes: [source([podName()])],
      see: 'cat $V/podname',
      expect: 'downward-pod',
    },
    {
      ids: ids.fsGroupMode,
      what: 'items[].mode 0440 and fsGroup: its members read',
      as: 1000,
      volumes: [source([podName({ mode: 0o440 })])],
      see: modeAndContent('podname'),
      expect: '-r--r-----\ndownward-pod',
    },
  ]
}
