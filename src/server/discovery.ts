import { text, type JsonObject } from '../api/json.ts'
import {
  authenticationGroup,
  authenticationV1,
  tokenSubresource,
} from './authentication.ts'
import {
  certificatesGroup,
  certificatesVersion,
  discoveryGroup,
  metricsGroup,
  metricsVersion,
  podfsGroup,
  resources,
} from './resources.ts'

const groups = [
  groupOf('apps', 'v1'),
  groupOf('batch', 'v1'),
  groupOf(discoveryGroup, 'v1'),
  groupOf(podfsGroup, 'v1'),
  groupOf(metricsGroup, metricsVersion),
  groupOf(certificatesGroup, certificatesVersion),
  groupOf(authenticationGroup, 'v1'),
]

function groupOf(name: string, version: string): JsonObject {
  const groupVersion = { groupVersion: `${name}/${version}`, version }
  return { name, versions: [groupVersion], preferredVersion: groupVersion }
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
      return { kind: 'APIGroupList', apiVersion: 'v1', groups }
    case '/apis/apps/v1':
      return resourceList('apps', 'apps/v1')
    case '/apis/batch/v1':
      return resourceList('batch', 'batch/v1')
    case `/apis/${discoveryGroup}/v1`:
      return resourceList(discoveryGroup, `${discoveryGroup}/v1`)
    case `/apis/${certificatesGroup}/${certificatesVersion}`:
      return resourceList(
        certificatesGroup,
        `${certificatesGroup}/${certificatesVersion}`,
      )
    case `/apis/${podfsGroup}/v1`:
      return resourceList(podfsGroup, `${podfsGroup}/v1`)
    case `/apis/${authenticationV1}`:
      return resourceList(authenticationGroup, authenticationV1)
    case `/apis/${metricsGroup}/${metricsVersion}`:
      return {
        kind: 'APIResourceList',
        apiVersion: 'v1',
        groupVersion: `${metricsGroup}/${metricsVersion}`,
        resources: [
          {
            name: 'nodes',
            singularName: '',
            namespaced: false,
            kind: 'NodeMetrics',
            verbs: ['get', 'list'],
          },
          {
            name: 'pods',
            singularName: '',
            namespaced: true,
            kind: 'PodMetrics',
            verbs: ['get', 'list'],
          },
        ],
      }
  }
  const group = groups.find(({ name }) => path === `/apis/${text(name)}`)
  return group && { kind: 'APIGroup', apiVersion: 'v1', ...group }
}

/** What is only ever created: the answer is all there is of it. By group and version. */
const created: Readonly<Record<string, readonly JsonObject[]>> = {
  v1: [
    {
      name: `serviceaccounts/${tokenSubresource}`,
      singularName: '',
      namespaced: true,
      group: authenticationGroup,
      version: 'v1',
      kind: 'TokenRequest',
      verbs: ['create'],
    },
  ],
  [authenticationV1]: [
    {
      name: 'tokenreviews',
      singularName: 'tokenreview',
      namespaced: false,
      kind: 'TokenReview',
      verbs: ['create'],
    },
  ],
}

function resourceList(group: string, groupVersion: string): JsonObject {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: [
      ...resources
        .filter(resource => resource.group === group)
        .flatMap(resource => {
          const { plural, namespaced, kind } = resource
          return [
            {
              name: plural,
              singularName: resource.singular,
              namespaced,
              kind,
              verbs: [...resource.verbs, 'get', 'list', 'watch'].sort(),
              ...(resource.shortNames.length === 0
                ? {}
                : { shortNames: resource.shortNames }),
              ...(resource.categories.length === 0
                ? {}
                : { categories: resource.categories }),
            },
            ...resource.subresources.map(({ name, verbs, of }) => ({
              name: `${plural}/${name}`,
              singularName: '',
              namespaced,
              ...(of ?? { kind }),
              verbs,
            })),
          ]
        }),
      ...(created[groupVersion] ?? []),
    ],
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
