import type { JsonObject } from '../api/json.ts'
import { podfsGroup, resources } from './resources.ts'

const groupVersion = { groupVersion: `${podfsGroup}/v1`, version: 'v1' }
const group = {
  name: podfsGroup,
  versions: [groupVersion],
  preferredVersion: groupVersion,
}

/** What is here, as kubectl asks for it before its first `get`; undefined for other paths. */
export function discovery(path: string): JsonObject | undefined {
  switch (path) {
    case '/api':
      return {
        kind: 'APIVersions',
        versions: ['v1'],
        serverAddressByClientCIDRs: [],
      }
    case '/api/v1':
      return resourceList('', 'v1')
    case '/apis':
      return { kind: 'APIGroupList', apiVersion: 'v1', groups: [group] }
    case `/apis/${podfsGroup}`:
      return { kind: 'APIGroup', apiVersion: 'v1', ...group }
    case `/apis/${podfsGroup}/v1`:
      return resourceList(podfsGroup, `${podfsGroup}/v1`)
  }
  return undefined
}

function resourceList(group: string, groupVersion: string): JsonObject {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: resources
      .filter(resource => resource.group === group)
      .flatMap(resource => {
        const { plural, namespaced, kind } = resource
        return [
          {
            name: plural,
            singularName: resource.singular,
            namespaced,
            kind,
            verbs: ['get', 'list', 'watch'],
            ...(resource.shortNames.length === 0
              ? {}
              : { shortNames: resource.shortNames }),
            ...(resource.categories.length === 0
              ? {}
              : { categories: resource.categories }),
          },
          ...resource.subresources.map(({ name, verb }) => ({
            name: `${plural}/${name}`,
            singularName: '',
            namespaced,
            kind,
            verbs: [verb],
          })),
        ]
      }),
  }
}

/** The API is that of Kubernetes 1.34; which podfs it is stands behind the plus. */
export function versionInfo(podfs: string): JsonObject {
  return {
    major: '1',
    minor: '34',
    gitVersion: `v1.34.0+podfs-${podfs}`,
    gitCommit: '',
    gitTreeState: '',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: '',
    platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  }
}
