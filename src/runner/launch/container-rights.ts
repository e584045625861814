import type { Container } from '../../api/types.ts'
import { configError } from './errors.ts'
import {
  allCapabilities,
  defaultCapabilities,
  type Capability,
} from '../../linux/capabilities.ts'
import type { ContainerRights } from '../sandbox/container-runtime.ts'

/**
 * What a container's securityContext says of capabilities, on top of a container run-time's
 * default: ALL first, then what is added, then what is dropped (containerd,
 * internal/cri/opts/spec_linux_opts.go, WithCapabilities). A privileged container has them all,
 * whatever it adds and drops. Throws an error of the container's configuration for a name that
 * the kernel does not know.
 */
export function containerRights({
  securityContext,
}: Container): ContainerRights {
  const { privileged = false, capabilities } = securityContext ?? {}
  const { add = [], drop = [] } = capabilities ?? {}
  const added = namesOf(add, 'add')
  const dropped = namesOf(drop, 'drop')
  if (privileged) return { privileged, capabilities: allCapabilities }
  let given: readonly Capability[] = defaultCapabilities
  if (added.includes('ALL')) given = allCapabilities
  if (dropped.includes('ALL')) given = []
  return {
    privileged,
    capabilities: allCapabilities.filter(
      name =>
        (given.includes(name) || added.includes(name)) &&
        !dropped.includes(name),
    ),
  }
}

function namesOf(
  names: readonly string[],
  field: 'add' | 'drop',
): (Capability | 'ALL')[] {
  return names.map((text, i) => {
    const bare = text.toUpperCase().replace(/^CAP_/, '')
    const name = ['ALL' as const, ...allCapabilities].find(
      name => name === bare,
    )
    if (name === undefined)
      throw configError(
        `securityContext.capabilities.${field}[${i}]: no capability is called ${JSON.stringify(text)}`,
      )
    return name
  })
}
