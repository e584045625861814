import type { Pod } from '../api/types.ts'
import type { ServiceEntry } from './service-table.ts'

/** The API server's own. */
const masterNamespace = 'default'
const masterName = 'kubernetes'

/**
 * The variables that the Services of a Pod's namespace give its containers, and the Service
 * default/kubernetes, where there is one (getServiceEnvVarMap, pkg/kubelet/kubelet_pods.go, and
 * pkg/kubelet/envvars/envvars.go).
 */
export function serviceVariables(
  { metadata, spec }: Pod,
  services: readonly ServiceEntry[],
): ReadonlyMap<string, string> {
  const own =
    spec.enableServiceLinks === false
      ? []
      : services.filter(({ namespace }) => namespace === metadata.namespace)
  const master = services.filter(
    ({ namespace, name }) =>
      namespace === masterNamespace && name === masterName,
  )
  // Its own Service of that name counts for more, as there.
  return new Map([...master, ...own].flatMap(variablesOf))
}

function variablesOf({
  name,
  ip,
  ports,
}: ServiceEntry): (readonly [string, string])[] {
  const [first] = ports
  if (ip === undefined || first === undefined) return []
  const prefix = variableName(name)
  return [
    [`${prefix}_SERVICE_HOST`, ip],
    [`${prefix}_SERVICE_PORT`, String(first.port)],
    ...ports.flatMap(({ name = '', port }) =>
      name === ''
        ? []
        : [
            [
              `${prefix}_SERVICE_PORT_${variableName(name)}`,
              String(port),
            ] as const,
          ],
    ),
    ...ports.flatMap(({ port, protocol }, i) => {
      const url = `${protocol.toLowerCase()}://${ip}:${port}`
      const link = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`
      return [
        ...(i === 0 ? [[`${prefix}_PORT`, url] as const] : []),
        [link, url] as const,
        [`${link}_PROTO`, protocol.toLowerCase()] as const,
        [`${link}_PORT`, String(port)] as const,
        [`${link}_ADDR`, ip] as const,
      ]
    }),
  ]
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_')
}
